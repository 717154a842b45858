"""Intake: bytes in, a recorded job or a recorded rejection out, and only then an ack."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import structlog

from bridge.core.advance import accept
from bridge.core.dependency import closes_a_circle
from bridge.core.errors import InvalidRequestError, Problem, UnavailableError
from bridge.core.job import Dependency, JobId, JobSpec
from bridge.core.lifecycle import Job
from bridge.core.partly_read import every_problem
from bridge.core.policy import admission_problems
from bridge.core.site import Site
from bridge.flows.messages import Messages, OwnMessages
from bridge.ports import (
    Acceptance,
    Admission,
    Clock,
    Delivery,
    IntakeJournal,
    Notice,
    Settlement,
)
from bridge.wire.event import encode, encode_rejection
from bridge.wire.understood import Understood

log = structlog.get_logger()

_Waits = dict[JobId, tuple[Dependency, ...]]
# What each of some jobs waits for.

_TAKEN = Problem(
    where="job_id",
    what="another request bears this id; send a new job under a new id",
)
_CIRCLE = Problem(
    where="depends_on",
    what="these jobs wait, themselves or by way of others, for this one: none could ever run",
)
_BUG = Problem(where="", what="the bridge failed to read this message; its log says more")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What is known of the deliveries that are read together."""

    coming: _Waits = field(default_factory=dict)
    """What the jobs in them wait for."""
    replies: list[Notice] = field(default_factory=list)
    """To those who wait for more than an event."""


class Intake:
    """Turns deliveries into recorded jobs and rejections."""

    def __init__(
        self,
        *,
        site: Site,
        journal: IntakeJournal,
        clock: Clock,
        examine: Callable[[JobSpec], Iterable[Problem]],
        on_arrival: Callable[[Sequence[Job]], None] = lambda _: None,
        messages: Messages | None = None,
    ) -> None:
        """`examine` says what of a job its script could not be told.

        `messages` says how deliveries are understood, as our own job messages unless it is given.
        `on_arrival` is called with the jobs that were recorded, before they are acknowledged.
        """
        self._on_arrival = on_arrival
        self._site = site
        self._journal = journal
        self._clock = clock
        self._examine = examine
        self._messages = messages or OwnMessages(site)

    def receive(self, deliveries: Sequence[Delivery]) -> tuple[Settlement, ...]:
        """How to settle each delivery, now that all of them are recorded.

        Raises UnavailableError when the journal cannot be written: nothing is recorded then, and
        nothing may be settled.
        """
        batch = _Batch()
        entries = [self._read(it, batch) for it in deliveries]
        admissions = self._journal.admit([*entries, *batch.replies])[: len(entries)]
        conflicts = _Batch()
        rejections = [
            self._rejection(delivery, entry.job.job_id, (_TAKEN,), conflicts)
            for delivery, entry, admission in zip(deliveries, entries, admissions, strict=True)
            if admission is Admission.CONFLICT and isinstance(entry, Acceptance)
        ]
        if rejections:
            self._journal.admit([*rejections, *conflicts.replies])
        arrived = [
            job.job for it in entries if isinstance(it, Acceptance) for job in (it, *it.siblings)
        ]
        if arrived:
            self._on_arrival(arrived)
        return tuple(map(self._settlement, entries, admissions))

    def _read(self, delivery: Delivery, batch: _Batch) -> Acceptance | Notice:
        """What the jobs in it wait for is added to what those before it in the batch do."""
        try:
            jobs = self._messages.read(delivery)
            self._refuse_what_cannot_run(jobs, batch.coming)
        except InvalidRequestError as error:
            problems = self._every_problem(error)
            return self._rejection(delivery, error.job_id, problems, batch, is_job=True)
        except UnavailableError:
            raise
        except Exception:
            # A message that trips over a bug of ours must not come back for ever.
            log.exception("message_not_read", message_id=delivery.message_id)
            return self._rejection(delivery, None, (_BUG,), batch)
        for job in jobs:
            batch.coming.setdefault(job.spec.job_id, job.spec.depends_on)
        first, *others = map(self._acceptance, jobs)
        return replace(first, siblings=tuple(others)) if others else first

    def _every_problem(self, error: InvalidRequestError) -> tuple[Problem, ...]:
        """What is wrong with the message's form, and with the rest of it as far as we can tell."""
        try:
            return every_problem(error, self._objections)
        except Exception:
            # It is rejected anyway: a bug of ours must not bring it back for ever.
            log.exception("rest_not_judged")
            return every_problem(error, lambda _: ())

    def _acceptance(self, job: Understood) -> Acceptance:
        spec = job.spec
        tasks = spec.sweep.tasks if spec.sweep else 0
        step = accept(spec.job_id, self._clock.now(), spec.depends_on, tasks=tasks)
        return Acceptance(
            job=step.job,
            request=job.request,
            fingerprint=job.fingerprint,
            messages=tuple(encode(it, self._site, job.spec, notes=job.notes) for it in step.events),
        )

    def _refuse_what_cannot_run(self, jobs: Sequence[Understood], coming: _Waits) -> None:
        """One job that cannot run is enough: of several, none would be of use without it."""
        problems = dict.fromkeys(
            job.problem_there(it)
            for job in jobs
            for it in (*self._objections(job.spec), *self._circle(job.spec, coming))
        )
        if problems:
            job_id = jobs[0].spec.job_id if len(jobs) == 1 else None
            raise InvalidRequestError(*problems, job_id=job_id)

    def _objections(self, spec: JobSpec) -> Iterator[Problem]:
        yield from admission_problems(spec, self._site)
        yield from self._examine(spec)

    def _circle(self, spec: JobSpec, coming: _Waits) -> Iterator[Problem]:
        def waits_of(job_ids: Collection[JobId]) -> _Waits:
            known = {it.job_id: it.waits_for for it in self._journal.jobs(job_ids)}
            return known | {it: coming[it] for it in job_ids if it in coming}

        if not spec.depends_on or not self._is_awaited(spec.job_id, coming):
            return
        if closes_a_circle(spec.job_id, spec.depends_on, waits_of):
            yield _CIRCLE

    def _is_awaited(self, job_id: JobId, coming: _Waits) -> bool:
        named = (it.job_id for waits in coming.values() for it in waits)
        return job_id in named or bool(self._journal.awaited([job_id]))

    def _rejection(
        self,
        delivery: Delivery,
        job_id: str | None,
        problems: tuple[Problem, ...],
        batch: _Batch,
        *,
        is_job: bool = False,
    ) -> Notice:
        log.warning("rejected", job=job_id, problems=[str(it) for it in problems])
        if reply := self._messages.refusal(delivery, problems):
            batch.replies.append(Notice(message=reply))
        message = encode_rejection(
            site=self._site.name,
            at=self._clock.now(),
            body=delivery.body,
            job_id=job_id,
            problems=problems,
        )
        rejected = JobId(job_id) if is_job and job_id is not None else None
        return Notice(message=message, rejected=rejected)

    def _settlement(self, entry: Acceptance | Notice, admission: Admission) -> Settlement:
        if isinstance(entry, Notice) or admission is Admission.CONFLICT:
            return Settlement.DEAD_LETTER
        for job in (entry, *entry.siblings):
            log.info("taken", job=job.job.job_id, admission=admission.value)
        return Settlement.ACK
