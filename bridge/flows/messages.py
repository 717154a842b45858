"""What a queue's messages mean: our own job messages, and those of MLExchange front ends."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import JobSpec, ReplyTo
from bridge.core.partly_read import PartlyRead, PartlyReadError, known_problems
from bridge.core.policy import may_reply
from bridge.core.site import Site
from bridge.ports import Delivery
from bridge.wire.event import Message
from bridge.wire.job_fields import short_string
from bridge.wire.json_text import read_json
from bridge.wire.mlexchange import (
    Origin,
    PartlyTranslatedError,
    Setting,
    Translated,
    translate,
)
from bridge.wire.reply import encode_refusal
from bridge.wire.request import fingerprint, read_job
from bridge.wire.understood import Understood


class Messages(Protocol):
    """How deliveries are understood."""

    def read(self, delivery: Delivery) -> tuple[Understood, ...]:
        """The jobs in it, at least one. Raises InvalidRequestError with every reason at once."""
        ...

    def refusal(self, delivery: Delivery, problems: Sequence[Problem]) -> Message | None:
        """What its sender waits for when it is rejected, besides the event."""
        ...


class OwnMessages:
    """Job messages as docs/messages.md has them: each is one job."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def read(self, delivery: Delivery) -> tuple[Understood, ...]:
        """See Messages."""
        body = delivery.body
        spec = read_job(body, site=self._site.name)
        return (Understood(spec=spec, request=body, fingerprint=fingerprint(body)),)

    def refusal(self, delivery: Delivery, problems: Sequence[Problem]) -> None:
        """Nobody waits for anything but events."""


class MlexchangeMessages:
    """Those of MLExchange front ends, as docs/mlexchange.md has them, and our own beside them."""

    def __init__(self, site: Site, setting: Setting) -> None:
        self._site = site
        self._setting = setting
        self._own = OwnMessages(site)

    def read(self, delivery: Delivery) -> tuple[Understood, ...]:
        """See Messages."""
        data = read_json(delivery.body)
        if _is_ours(data):
            return self._own.read(delivery)
        problems: list[Problem] = []
        try:
            translated = translate(data, _origin(delivery), self._setting)
            only_id = _only_id(translated)
        except PartlyTranslatedError as error:
            # How many jobs it was to be is not known, and so none of their ids.
            translated, only_id = error.jobs, None
            problems += error.problems
        print_of_theirs = fingerprint(delivery.body)
        found: list[Understood] = []
        rest: list[PartlyRead] = []
        for job in translated:
            try:
                found.append(self._understood(job, print_of_theirs))
            except InvalidRequestError as error:
                known = known_problems(error.problems, job.unread)
                problems += map(job.problem_there, known)
                rest += _rest_of(error, job)
            else:
                rest.append(_part_of(found[-1].spec, job))
        if problems:
            raise PartlyReadError(*dict.fromkeys(problems), rest=tuple(rest), job_id=only_id)
        return tuple(found)

    def refusal(self, delivery: Delivery, problems: Sequence[Problem]) -> Message | None:
        """See Messages."""
        try:
            data = read_json(delivery.body)
        except InvalidRequestError:
            data = None
        queue, run = delivery.reply_to, delivery.correlation_id
        if not (_can_be_sent(queue) and _can_be_sent(run)):
            return None
        if queue is None or _is_ours(data) or not may_reply(queue, self._site):
            return None
        job_type = data.get("job_type") if isinstance(data, dict) else None
        reply_to = ReplyTo(
            queue=queue,
            correlation_id=run,
            job_type=job_type if isinstance(job_type, str) else "",
        )
        return encode_refusal(reply_to, problems, site=self._site.name, body=delivery.body)

    def _understood(self, job: Translated, print_of_theirs: str) -> Understood:
        return Understood(
            spec=read_job(job.body, site=self._site.name),
            request=job.body,
            # Of the message as it came: the site may translate it otherwise another day.
            fingerprint=print_of_theirs,
            notes=job.notes,
            problem_there=job.problem_there,
        )


def _rest_of(error: InvalidRequestError, job: Translated) -> Iterator[PartlyRead]:
    if isinstance(error, PartlyReadError):
        for it in error.rest:
            yield _part_of(it.spec, job, it.unread)


def _part_of(spec: JobSpec, job: Translated, unread: frozenset[str] = frozenset()) -> PartlyRead:
    return PartlyRead(spec=spec, unread=unread | job.unread, problem_there=job.problem_there)


def _is_ours(data: object) -> bool:
    return isinstance(data, dict) and "version" in data


def _can_be_sent(text: str | None) -> bool:
    """Whether a reply can bear it: what is not UTF-8 came to us as a longer text."""
    try:
        short_string(text or "")
    except ValueError:
        return False
    return True


def _only_id(jobs: Sequence[Translated]) -> str | None:
    return jobs[0].job_id if len(jobs) == 1 else None


def _origin(delivery: Delivery) -> Origin:
    return Origin(
        message_id=delivery.message_id,
        correlation_id=delivery.correlation_id,
        reply_to=delivery.reply_to,
    )
