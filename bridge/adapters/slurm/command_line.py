"""The scheduler, through Slurm's own commands."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bridge.adapters.slurm.commands import (
    TIMES,
    WORDS,
    Rows,
    configuration_argv,
    in_chunks,
    plain_id,
    read_cli_filters,
    read_cluster,
    read_sacct,
    read_sbatch,
    read_scancel,
    read_squeue,
    read_version,
    sacct_argv,
    sbatch_argv,
    scancel_argvs,
    split_id,
    squeue_argv,
    version_argv,
)
from bridge.core.errors import (
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag, array_id, slurm_order
from bridge.core.settings import SchedulerSettings
from bridge.core.slurm_client import SlurmClient
from bridge.core.slurm_words import Verdict, verdict
from bridge.ports import Completed, Runner

IDS_AT_ONCE = TAGS_AT_ONCE = 300
LOGGED_CHARACTERS = 200

Variables = tuple[tuple[str, str], ...]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SlurmCommandLine:
    """A Scheduler that runs sbatch, squeue, sacct and scancel, wherever `runner` runs them.

    It keeps nothing between two calls but the cluster's name, so threads may share it. squeue sees
    the jobs of the user whom the commands run as; root sees everybody's (squeue(1), --me).
    """

    def __init__(self, runner: Runner, settings: SchedulerSettings) -> None:
        self._runner = runner
        self._settings = settings
        self._known_cluster: str | None = None

    def submit(self, script: str) -> SlurmId:
        """Submit a batch script.

        One that went to another cluster is cancelled there, and refused: its queue and accounting
        are not those that we ask (sbatch(1), --clusters).
        """
        answer = self._run(sbatch_argv(), self._settings.submit_timeout, stdin=script)
        if answer.return_code != 0 and verdict(answer.stderr) is Verdict.AUTHENTICATION:
            log.error("slurm_does_not_accept_us", words=answer.stderr[:LOGGED_CHARACTERS])
        slurm_id, cluster = split_id(read_sbatch(answer))
        if cluster is not None:
            self._expect_here(slurm_id, cluster.lower())
        return slurm_id

    def client(self) -> SlurmClient:
        """What Slurm's commands are here. Raises UnavailableError."""
        timeout = self._settings.query_timeout
        return SlurmClient(
            version=read_version(self._run(version_argv(), timeout)),
            cli_filters=read_cli_filters(self._run(configuration_argv(), timeout)),
        )

    def find(
        self, tags: Collection[SubmissionTag], *, since: datetime
    ) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
        """Of each tag, every Slurm job that bears it, lowest id first; none only if Slurm said so.

        Many are asked for at once, so that it costs little to find out about many.
        """
        found: dict[SubmissionTag, tuple[SlurmId, ...]] = {}
        for chunk in in_chunks(tags, TAGS_AT_ONCE):
            found |= self._find(chunk, since)
        return found

    def queue(self) -> tuple[Sighting, ...]:
        """All jobs of ours that squeue lists, also those that ended a moment ago."""
        return self._look(squeue_argv()).sightings

    def accounting(
        self, slurm_ids: Iterable[SlurmId], *, since: datetime
    ) -> tuple[Sighting, ...] | None:
        """The newest record of each job that accounting knows; None where accounting is off."""
        asked = {plain_id(slurm_id): slurm_id for slurm_id in slurm_ids}
        seen: list[Sighting] = []
        for chunk in in_chunks(asked.values(), IDS_AT_ONCE):
            records = self._account(sacct_argv(slurm_ids=chunk, since=since))
            if records is None:
                return None
            seen += records.sightings
        return tuple(replace(it, slurm_id=asked.get(it.slurm_id, it.slurm_id)) for it in seen)

    def cancel(self, jobs: Collection[tuple[SlurmId, SubmissionTag]]) -> None:
        """Ask Slurm to cancel those that bear their tags; their states alone tell whether it did.

        The queue is asked first whose they are: scancel could be told names, but with any filter
        and the id of one task that waits it cancels all that wait of the array (seen with 22.05).
        """
        for chunk in in_chunks(jobs, IDS_AT_ONCE):
            rows = self._look(squeue_argv(dict.fromkeys(tag for _, tag in chunk))).sightings
            listed = {(it.slurm_id, it.tag) for it in rows}
            listed |= {(array_id(slurm_id), tag) for slurm_id, tag in listed}
            # The queue is that of this cluster alone: of others nobody is asked.
            ours = [it for it, tag in chunk if (it, tag) in listed or plain_id(it) != it]
            if len(ours) < len(chunk):
                log.info("not_in_the_queue", jobs=len(chunk) - len(ours))
            for argv in scancel_argvs(ours):
                if words := read_scancel(self._run(argv, self._settings.query_timeout)):
                    log.warning("cancel_not_taken", argv=argv, words=words)

    def _expect_here(self, slurm_id: SlurmId, cluster: str) -> None:
        """Raises SubmissionRefusedError, SubmissionUncertainError."""
        sent = f"sbatch sent the job to the cluster {cluster}, where it is {slurm_id}"
        try:
            ours = self._cluster()
        except UnavailableError as error:
            raise SubmissionUncertainError(
                f"{sent}, and nobody says whether that is ours: {error}"
            ) from error
        if cluster == ours:
            return
        (argv,) = scancel_argvs([SlurmId(f"{slurm_id};{cluster}")])
        try:
            words = read_scancel(self._run(argv, self._settings.query_timeout))
        except UnavailableError as error:
            words = str(error)
        became = "it was cancelled there" if words is None else f"it is there still: {words}"
        log.error("sent_to_another_cluster", cluster=cluster, ours=ours, slurm_id=slurm_id)
        raise SubmissionRefusedError(f"{sent}; the bridge looks for jobs on {ours} alone; {became}")

    def _cluster(self) -> str:
        """The name of the cluster whose queue squeue tells. Raises UnavailableError."""
        if self._known_cluster is None:
            answer = self._run(configuration_argv(), self._settings.query_timeout)
            self._known_cluster = read_cluster(answer)
        return self._known_cluster

    def _find(
        self, tags: Sequence[SubmissionTag], since: datetime
    ) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
        # The queue first: a job that leaves it between the two questions is in accounting by then.
        seen = self._look(squeue_argv(tags)).sightings
        queued = _by_tag(seen)
        try:
            records = self._account(sacct_argv(tags=tags, since=since))
        except UnavailableError as error:
            if queued.keys().isdisjoint(tags):
                raise
            log.warning("found_without_accounting", words=str(error))
            return {it: queued[it] for it in tags if it in queued}
        known = queued if records is None else _by_tag(seen + records.sightings)
        return {it: known.get(it, ()) for it in tags}

    def _look(self, argv: Sequence[str]) -> Rows:
        rows = read_squeue(self._ask(argv))
        for line in rows.not_understood:
            log.warning("squeue_row_not_understood", row=line[:LOGGED_CHARACTERS])
        return rows

    def _account(self, argv: Sequence[str]) -> Rows | None:
        rows = read_sacct(self._ask(argv))
        for line in rows.not_understood if rows else ():
            log.warning("sacct_row_not_understood", row=line[:LOGGED_CHARACTERS])
        return rows

    def _ask(self, argv: Sequence[str]) -> Completed:
        return self._run(argv, self._settings.query_timeout, environment=TIMES)

    def _run(
        self,
        argv: Sequence[str],
        timeout: timedelta,
        *,
        environment: Variables = (),
        stdin: str = "",
    ) -> Completed:
        # Through env(1), since only so do they reach a command on another machine.
        variables = (*self._settings.environment, *WORDS, *environment)
        settings = (f"{name}={value}" for name, value in variables)
        return self._runner.run(("env", *settings, *argv), stdin=stdin, timeout=timeout)


def _by_tag(sightings: Iterable[Sighting]) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
    found: dict[SubmissionTag, set[SlurmId]] = defaultdict(set)
    for it in sightings:
        found[it.tag].add(it.slurm_id)
    return {tag: tuple(sorted(ids, key=slurm_order)) for tag, ids in found.items()}
