"""Intake: bytes in, a recorded job or a recorded rejection out, and only then an ack."""

from collections.abc import Callable, Iterable, Sequence

import structlog

from bridge.core.advance import accept
from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import JobId, JobSpec
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

_TAKEN = Problem(
    where="job_id",
    what="another request bears this id; send a new job under a new id",
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
        entries = [self._read(it) for it in deliveries]
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

    def _read(self, delivery: Delivery) -> Acceptance | Notice:
        try:
            spec = read_job(delivery.body, site=self._site.name)
            self._refuse_what_cannot_run(spec)
        except InvalidRequestError as error:
            return self._rejection(delivery.body, error.job_id, error.problems)
        except Exception:
            # A message that trips over a bug of ours must not come back for ever.
            log.exception("message_not_read", message_id=delivery.message_id)
            return self._rejection(delivery.body, None, (_BUG,))
        step = accept(spec.job_id, self._clock.now())
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

    def _rejection(self, body: bytes, job_id: str | None, problems: tuple[Problem, ...]) -> Notice:
        log.warning("rejected", job=job_id, problems=[str(it) for it in problems])
        message = encode_rejection(
            site=self._site.name,
            at=self._clock.now(),
            body=body,
            job_id=job_id,
            problems=problems,
        )
        return Notice(message=message)

    def _settlement(self, entry: Acceptance | Notice, admission: Admission) -> Settlement:
        if isinstance(entry, Notice) or admission is Admission.CONFLICT:
            return Settlement.DEAD_LETTER
        log.info("taken", job=entry.job.job_id, admission=admission.value)
        return Settlement.ACK
