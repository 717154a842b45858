"""Intake: bytes in, a recorded job or a recorded rejection out, and only then an ack."""

from collections.abc import Callable, Collection, Iterable, Sequence

import structlog

from bridge.core.advance import accept
from bridge.core.dependency import closes_a_circle
from bridge.core.errors import InvalidRequestError, Problem, UnavailableError
from bridge.core.job import Dependency, JobId, JobSpec
from bridge.core.policy import admission_problems
from bridge.core.site import Site
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
from bridge.wire.request import fingerprint, read_job

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


class Intake:
    """Turns deliveries into recorded jobs and rejections."""

    def __init__(
        self,
        *,
        site: Site,
        journal: IntakeJournal,
        clock: Clock,
        examine: Callable[[JobSpec], Iterable[Problem]],
        on_arrival: Callable[[Sequence[JobId]], None] = lambda _: None,
    ) -> None:
        """`examine` says what of a job its script could not be told.

        `on_arrival` is called with the jobs that were recorded, before they are acknowledged.
        """
        self._on_arrival = on_arrival
        self._site = site
        self._journal = journal
        self._clock = clock
        self._examine = examine

    def receive(self, deliveries: Sequence[Delivery]) -> tuple[Settlement, ...]:
        """How to settle each delivery, now that all of them are recorded.

        Raises UnavailableError when the journal cannot be written: nothing is recorded then, and
        nothing may be settled.
        """
        coming: _Waits = {}
        entries = [self._read(it, coming) for it in deliveries]
        admissions = self._journal.admit(entries)
        conflicts = [
            self._rejection(delivery.body, entry.job.job_id, (_TAKEN,))
            for delivery, entry, admission in zip(deliveries, entries, admissions, strict=True)
            if admission is Admission.CONFLICT and isinstance(entry, Acceptance)
        ]
        if conflicts:
            self._journal.admit(conflicts)
        arrived = [it.job.job_id for it in entries if isinstance(it, Acceptance)]
        if arrived:
            self._on_arrival(arrived)
        return tuple(map(self._settlement, entries, admissions))

    def _read(self, delivery: Delivery, coming: _Waits) -> Acceptance | Notice:
        """`coming` is what those before it in the same batch wait for; it is added there."""
        try:
            spec = read_job(delivery.body, site=self._site.name)
            self._refuse_what_cannot_run(spec)
            self._refuse_circle(spec, coming)
        except InvalidRequestError as error:
            return self._rejection(delivery.body, error.job_id, error.problems, is_job=True)
        except UnavailableError:
            raise
        except Exception:
            # A message that trips over a bug of ours must not come back for ever.
            log.exception("message_not_read", message_id=delivery.message_id)
            return self._rejection(delivery.body, None, (_BUG,))
        coming.setdefault(spec.job_id, spec.depends_on)
        step = accept(spec.job_id, self._clock.now(), spec.depends_on)
        return Acceptance(
            job=step.job,
            request=delivery.body,
            fingerprint=fingerprint(delivery.body),
            messages=tuple(encode(it, self._site, spec) for it in step.events),
        )

    def _refuse_what_cannot_run(self, spec: JobSpec) -> None:
        problems = (*admission_problems(spec, self._site), *self._examine(spec))
        if problems:
            raise InvalidRequestError(*problems, job_id=spec.job_id)

    def _refuse_circle(self, spec: JobSpec, coming: _Waits) -> None:
        def waits_of(job_ids: Collection[JobId]) -> _Waits:
            known = {it.job_id: it.waits_for for it in self._journal.jobs(job_ids)}
            return known | {it: coming[it] for it in job_ids if it in coming}

        if not spec.depends_on or not self._is_awaited(spec.job_id, coming):
            return
        if closes_a_circle(spec.job_id, spec.depends_on, waits_of):
            raise InvalidRequestError(_CIRCLE, job_id=spec.job_id)

    def _is_awaited(self, job_id: JobId, coming: _Waits) -> bool:
        named = (it.job_id for waits in coming.values() for it in waits)
        return job_id in named or bool(self._journal.awaited([job_id]))

    def _rejection(
        self,
        body: bytes,
        job_id: str | None,
        problems: tuple[Problem, ...],
        *,
        is_job: bool = False,
    ) -> Notice:
        log.warning("rejected", job=job_id, problems=[str(it) for it in problems])
        message = encode_rejection(
            site=self._site.name,
            at=self._clock.now(),
            body=body,
            job_id=job_id,
            problems=problems,
        )
        rejected = JobId(job_id) if is_job and job_id is not None else None
        return Notice(message=message, rejected=rejected)

    def _settlement(self, entry: Acceptance | Notice, admission: Admission) -> Settlement:
        if isinstance(entry, Notice) or admission is Admission.CONFLICT:
            return Settlement.DEAD_LETTER
        log.info("taken", job=entry.job.job_id, admission=admission.value)
        return Settlement.ACK
