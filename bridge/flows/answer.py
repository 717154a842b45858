"""Answer: what front ends ask of the site while it runs."""

import base64
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Condition

import structlog

from bridge.core.errors import InvalidRequestError, UnavailableError
from bridge.core.job import JobId
from bridge.core.site import Site
from bridge.flows.answer_files import FileAnswers, RangeQuestion
from bridge.ports import (
    Delivery,
    DeliverySource,
    QueryJournal,
    Reply,
    ReturnChannel,
    Settlement,
    ToldEvent,
)
from bridge.wire.answer import Answer, EventsData, Fault, RangeData, answer_body
from bridge.wire.limits import limits_of
from bridge.wire.presence import Presence
from bridge.wire.question import (
    LONGEST_RANGE,
    ArtifactQuestion,
    EventsQuestion,
    FollowQuestion,
    LimitsQuestion,
    LogsQuestion,
    PresenceQuestion,
    RequestQuestion,
    read_question,
)

log = structlog.get_logger()

MOST_WAITING = 100
"""How many questions wait for the file system."""
_AT_ONCE = 50
_FILES_AT_ONCE = 16
_EVENTS_AT_ONCE = 100
_EVENT_BYTES = 512 * 1024
_TAKE_WAIT = timedelta(seconds=1)
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A question that needs the file system, and who asks it."""

    delivery: Delivery
    question: RangeQuestion | FollowQuestion


class Answers:
    """Answers what is known here at once, and what lies in the jobs' folders in another thread.

    A question is settled before it is answered: one that breaks something does not come back, and
    whoever gets no answer asks again.
    """

    def __init__(
        self,
        *,
        site: Site,
        source: DeliverySource,
        channel: ReturnChannel,
        journal: QueryJournal,
        files: FileAnswers,
        presence: Callable[[], Presence],
    ) -> None:
        self._site = site
        self._source = source
        self._channel = channel
        self._journal = journal
        self._files = files
        self._presence = presence
        self._limits = limits_of(site)
        self._waiting: deque[_Asked] = deque()
        self._changed = Condition()

    def answer_some(self) -> timedelta:
        """Wait a moment for questions, and answer those that need no file.

        Raises UnavailableError when the broker does not take the answers.
        """
        deliveries = self._source.take(_AT_ONCE, timeout=_TAKE_WAIT)
        if deliveries:
            self._source.settle([(it, Settlement.ACK) for it in deliveries])
            answers = [(it, self._answer(it)) for it in deliveries if it.reply_to]
            self._send([(it, answer) for it, answer in answers if answer is not None])
        return _NOW

    def answer_of_files(self) -> timedelta:
        """Wait a moment for questions that need the file system, and answer some together.

        Raises UnavailableError when the broker does not take the answers.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, _TAKE_WAIT.total_seconds())
            count = min(_FILES_AT_ONCE, len(self._waiting))
            asked = [self._waiting.popleft() for _ in range(count)]
        if asked:
            self._send(list(self._answers_of_files(asked)))
        return _NOW

    def _answer(self, delivery: Delivery) -> Answer | None:
        """The answer; None when it needs the file system."""
        try:
            question = read_question(delivery.body)
            if not isinstance(question, LogsQuestion | ArtifactQuestion | FollowQuestion):
                return self._known(question)
        except InvalidRequestError as error:
            return self._files.fault(Fault.INVALID, str(error))
        except UnavailableError as error:
            return self._files.fault(Fault.UNAVAILABLE, str(error))
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                return self._files.fault(
                    Fault.BUSY, f"{MOST_WAITING} questions wait already: ask again later"
                )
            self._waiting.append(_Asked(delivery=delivery, question=question))
            self._changed.notify()
        return None

    def _known(
        self, question: LimitsQuestion | PresenceQuestion | EventsQuestion | RequestQuestion
    ) -> Answer:
        name = self._site.name
        match question:
            case PresenceQuestion():
                return Answer(site=name, presence=self._presence())
            case EventsQuestion():
                return Answer(site=name, events=self._events(question))
            case RequestQuestion():
                return self._request(question)
            case _:
                return Answer(site=name, limits=self._limits)

    def _request(self, question: RequestQuestion) -> Answer:
        try:
            body = self._journal.request(JobId(str(question.job_id)))
        except KeyError:
            words = f"nothing is known of a job {question.job_id} at {self._site.name}"
            return self._files.fault(Fault.UNKNOWN, words)
        end = question.start + min(question.length, LONGEST_RANGE)
        data = base64.b64encode(body[question.start : end]).decode()
        found = RangeData(start=question.start, size=len(body), data=data)
        return Answer(site=self._site.name, range=found)

    def _events(self, question: EventsQuestion) -> EventsData:
        job_id = JobId(str(question.job_id))
        told = self._journal.told(job_id, after=question.after, limit=_EVENTS_AT_ONCE)
        shown = _fitting(told)
        return EventsData(
            events=[it.body.decode(errors="replace") for it in shown],
            after=shown[-1].position if shown else question.after,
            is_last=len(told) < _EVENTS_AT_ONCE and len(shown) == len(told),
        )

    def _answers_of_files(self, asked: Sequence[_Asked]) -> Iterator[tuple[Delivery, Answer]]:
        ranges: list[tuple[Delivery, RangeQuestion]] = []
        for it in asked:
            if isinstance(it.question, FollowQuestion):
                yield it.delivery, self._files.follow(it.question)
            else:
                ranges.append((it.delivery, it.question))
        answers = self._files.ranges([question for _, question in ranges])
        for (delivery, _), answer in zip(ranges, answers, strict=True):
            yield delivery, answer

    def _send(self, answers: Sequence[tuple[Delivery, Answer]]) -> None:
        if answers:
            self._channel.answer(
                [
                    Reply(
                        reply_to=delivery.reply_to or "",
                        correlation_id=delivery.correlation_id,
                        body=answer_body(answer),
                    )
                    for delivery, answer in answers
                ]
            )


def _fitting(told: Sequence[ToldEvent]) -> Sequence[ToldEvent]:
    """As many as go into one answer, one at least."""
    room = _EVENT_BYTES
    for count, it in enumerate(told):
        room -= len(it.body)
        if room < 0 and count:
            return told[:count]
    return told
