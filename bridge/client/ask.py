"""Ask a site's bridge, while it runs: limits, ranges of logs, artifacts, events, who is there.

with Asker(broker_at("amqp://...")) as ask:
    ask.sites()                                     # which bridges are there
    ask.limits("vaughan").limits.gpus               # to bound a form by
    ask.logs("vaughan", job_id, start=4096).data    # any range, any time
    ask.artifact("vaughan", job_id, "plots/loss.png").data
"""

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TypeVar
from uuid import UUID, uuid4

import structlog

from bridge.adapters.rabbitmq import Confirmation, Outgoing, PassingListener, Publisher
from bridge.client.submit import NoBridgeError
from bridge.core.errors import BridgeError, InvalidRequestError, UnavailableError
from bridge.core.settings import EVERYBODY, BrokerSettings
from bridge.wire.answer import Answer, Fault, FollowData, RangeData, read_answer
from bridge.wire.event import CloudEvent, decode
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence
from bridge.wire.question import (
    LONGEST_LEASE,
    LONGEST_RANGE,
    ArtifactQuestion,
    EventsQuestion,
    FollowQuestion,
    LimitsQuestion,
    LogsQuestion,
    PresenceQuestion,
    Question,
    RequestQuestion,
    Stream,
    question_body,
)

log = structlog.get_logger()

T = TypeVar("T")

_TAKE = timedelta(seconds=1)
_SOON = timedelta(seconds=1)
_AT_ONCE = 100


class NoAnswerError(BridgeError):
    """The bridge answered that it has none, and why: `reason` in one word, the error in many."""

    def __init__(self, reason: Fault, words: str) -> None:
        self.reason = reason
        super().__init__(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRange:
    """Some of what a job has written."""

    start: int
    """Where it begins in the file, in bytes."""
    data: bytes
    """Unmodified; perhaps not whole characters, perhaps no text at all."""
    size: int
    """How many bytes the file had just then."""

    @property
    def end(self) -> int:
        """Where to go on."""
        return self.start + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a job has left."""

    name: str
    """Its path below `artifacts/`."""
    data: bytes
    sha256: str
    """Of `data`, in hexadecimal: the `finished` event says what it should be."""


class Asker:
    """Asks bridges questions. Threads may share it.

    Every method raises NoBridgeError when no bridge of that site is there just now, NoAnswerError
    when it has no answer, and UnavailableError when none came in time: then ask again.
    """

    def __init__(
        self, broker: BrokerSettings, *, patience: timedelta = timedelta(seconds=10)
    ) -> None:
        """`patience` is how long to wait for a connection, and then for an answer."""
        self._exchange = broker.questions_exchange
        self._patience = patience
        self._publisher = Publisher(
            broker, name=f"{broker.namespace} questions", connect_patience=patience
        )
        self._listener = PassingListener.of_answers(broker)
        self._changed = threading.Condition()
        self._waiting: dict[str, list[Answer]] = {}
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, name="answers", daemon=True)

    def __enter__(self) -> Self:
        self._publisher.start()
        self._listener.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        self._listener.close()
        self._publisher.close()
        self._thread.join(_TAKE.total_seconds() * 2)

    def limits(self, site: str) -> SiteLimits:
        """What the site allows: to bound a form by."""
        answer = self._ask(site, LimitsQuestion())
        return _there(answer.limits)

    def sites(self, *, within: timedelta = _SOON) -> tuple[Presence, ...]:
        """Which bridges are there, by name: those that say so within the time.

        Raises UnavailableError when the broker cannot be reached.
        """
        deadline = time.monotonic() + within.total_seconds()
        with self._asked(EVERYBODY, PresenceQuestion()) as answers:
            self._wait(lambda: False, deadline)
            found = {it.presence.site: it.presence for it in answers if it.presence}
        return tuple(found[it] for it in sorted(found))

    def sites_of(self, job_id: str) -> tuple[str, ...]:
        """The sites that have this job, by name, of those whose bridges answer: one, mostly.

        Where those that answer soon do not have it, others get all our patience. Raises
        NoAnswerError with the reason UNKNOWN where none has it then, UnavailableError where one
        that was to be asked did not answer, and ValueError when `job_id` is no UUID.
        """
        asked: dict[str, bool] = {}
        begun = time.monotonic()
        with self._asked(EVERYBODY, PresenceQuestion()) as answers:

            def others() -> set[str]:
                return {it.presence.site for it in answers if it.presence} - asked.keys()

            self._wait(lambda: False, begun + min(_SOON, self._patience).total_seconds())
            while self._wait(lambda: bool(others()), begun + self._patience.total_seconds()):
                asked |= {it: self._has(it, job_id) for it in others()}
                if found := sorted(site for site, has_it in asked.items() if has_it):
                    return tuple(found)
        names = ", ".join(sorted(asked)) or "nobody, no bridge answered"
        words = f"no bridge knows the job {job_id}; asked: {names}"
        raise NoAnswerError(Fault.UNKNOWN, words)

    def _has(self, site: str, job_id: str) -> bool:
        try:
            self._ask(site, RequestQuestion(job_id=UUID(job_id), length=1))
        except NoAnswerError as error:
            if error.reason is Fault.UNKNOWN:
                return False
            raise UnavailableError(f"the site {site!r} cannot tell now: {error}") from error
        except NoBridgeError:  # it has gone since
            return False
        return True

    def logs(
        self,
        site: str,
        job_id: str,
        stream: Stream | str = Stream.STDOUT,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> LogRange:
        """What a job has written to `stdout`, `stderr` or `progress` from the byte `start` on.

        Up to `length` bytes, or to the end of what is there now. A job that has not begun to write
        has an empty file. Raises ValueError when `job_id` is no UUID.
        """
        data = bytearray()
        while True:
            wanted = LONGEST_RANGE if length is None else min(LONGEST_RANGE, length - len(data))
            question = LogsQuestion(
                job_id=UUID(job_id), stream=Stream(stream), start=start + len(data), length=wanted
            )
            found = _there(self._ask(site, question).range)
            more = _bytes(found)
            data += more
            if not more or start + len(data) >= found.size or len(data) == length:
                return LogRange(start=start, data=bytes(data), size=found.size)

    def artifact(self, site: str, job_id: str, name: str) -> Artifact:
        """A small file that a job has left in `artifacts/`, by its path there.

        Raises NoAnswerError with the reason TOO_LARGE for a large one, and ValueError when `job_id`
        is no UUID.
        """
        the_job = UUID(job_id)
        data = self._whole(
            site, lambda start: ArtifactQuestion(job_id=the_job, name=name, start=start)
        )
        return Artifact(name=name, data=data, sha256=hashlib.sha256(data).hexdigest())

    def request(self, site: str, job_id: str) -> bytes:
        """The job message as the site has it: to show what was asked for, or to ask it again.

        Raises ValueError when `job_id` is no UUID.
        """
        the_job = UUID(job_id)
        return self._whole(site, lambda start: RequestQuestion(job_id=the_job, start=start))

    def events(self, site: str, job_id: str) -> Iterator[CloudEvent]:
        """The events of a job once more, oldest first, as far as the site still has them.

        Progress is not among them: `logs` gives it with the stream `progress`. Raises ValueError
        when `job_id` is no UUID.
        """
        after, is_last = 0, False
        while not is_last:
            question = EventsQuestion(job_id=UUID(job_id), after=after)
            found = _there(self._ask(site, question).events)
            for body in found.events:
                yield decode(body.encode())
            after, is_last = found.after, found.is_last

    def follow(self, site: str, job_id: str, *, lease: timedelta) -> FollowData:
        """Have what a job writes told for a while; see LogFollower, which does the rest.

        Raises ValueError when `job_id` is no UUID.
        """
        seconds = max(1, min(LONGEST_LEASE, round(lease.total_seconds())))
        answer = self._ask(site, FollowQuestion(job_id=UUID(job_id), seconds=seconds))
        return _there(answer.follow)

    def _whole(self, site: str, question: Callable[[int], Question]) -> bytes:
        """All of what is handed out range by range."""
        data = bytearray()
        while True:
            found = _there(self._ask(site, question(len(data))).range)
            more = _bytes(found)
            data += more
            if not more or len(data) >= found.size:
                return bytes(data)

    def _ask(self, site: str, question: Question) -> Answer:
        deadline = time.monotonic() + self._patience.total_seconds()
        with self._asked(site, question) as answers:
            if not self._wait(lambda: bool(answers), deadline):
                raise UnavailableError(f"the bridge of {site!r} did not answer in time")
        answer = answers[0]
        if answer.fault is not None:
            raise NoAnswerError(answer.fault.reason, answer.fault.words)
        return answer

    @contextmanager
    def _asked(self, routing_key: str, question: Question) -> Iterator[list[Answer]]:
        """Where the answers arrive to a question that was sent."""
        self._listener.listen_within(self._patience)
        number = uuid4().hex
        answers: list[Answer] = []
        with self._changed:
            self._waiting[number] = answers
        try:
            self._send(routing_key, number, question_body(question))
            yield answers
        finally:
            with self._changed:
                del self._waiting[number]

    def _send(self, routing_key: str, number: str, body: bytes) -> None:
        outgoing = Outgoing(
            exchange=self._exchange,
            routing_key=routing_key,
            body=body,
            message_id=number,
            content_type="application/json",
            durable=False,
            reply_to=self._listener.queue,
            correlation_id=number,
        )
        (confirmation,) = self._publisher.send([outgoing])
        if confirmation is Confirmation.UNROUTABLE and routing_key != EVERYBODY:
            raise NoBridgeError(f"no bridge of the site {routing_key!r} is there just now")

    def _wait(self, holds: Callable[[], bool], deadline: float) -> bool:
        """Whether it held before the deadline."""
        with self._changed:
            return self._changed.wait_for(holds, max(0.0, deadline - time.monotonic()))

    def _listen(self) -> None:
        while not self._is_closed:
            for delivery in self._listener.take(_AT_ONCE, timeout=_TAKE):
                self._arrived(delivery.correlation_id or "", delivery.body)

    def _arrived(self, number: str, body: bytes) -> None:
        try:
            answer = read_answer(body)
        except InvalidRequestError as error:
            log.warning("not_an_answer", problems=[str(it) for it in error.problems])
            return
        with self._changed:
            if number in self._waiting:
                self._waiting[number].append(answer)
                self._changed.notify_all()


def _there(found: T | None) -> T:
    if found is None:
        raise UnavailableError("the bridge answered something else than it was asked")
    return found


def _bytes(found: RangeData) -> bytes:
    try:
        return base64.b64decode(found.data, validate=True)
    except ValueError as error:
        raise UnavailableError(f"the bridge sent no Base64: {error}") from error
