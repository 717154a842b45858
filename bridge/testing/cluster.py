"""A small cluster in memory: Slurm jobs, and by hand all that can happen to them."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag, array_id, array_index, task_slurm_id
from bridge.core.slurm_state import FINAL, Meaning, SlurmState, meaning, read_state
from bridge.ports import Clock

Runs = tuple[Sighting, ...]
# One job's accounting records, oldest first: a requeue closes one and opens the next.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    since: datetime
    runs: Runs


class FakeCluster:
    """Jobs that only change when a test says so. `clock` is the time of what happens."""

    def __init__(
        self, clock: Clock, *, min_job_age: timedelta = timedelta(seconds=300), first_id: int = 1
    ) -> None:
        self.scripts: dict[SlurmId, str] = {}
        """The batch script of every job that was ever submitted."""
        self._clock = clock
        self._min_job_age = min_job_age
        self._next_id = first_id
        self._histories: dict[SlurmId, list[_Version]] = {}

    def submit(self, script: str, *, delay: timedelta = timedelta(0)) -> SlurmId:
        """A new job, pending; after `delay` only where sbatch's request was slow to arrive."""
        slurm_id = SlurmId(str(self._next_id))
        self._next_id += 1
        at = self._clock.now() + delay
        array = option(script, "--array")
        tasks = range(int(array.partition("%")[0].removeprefix("0-")) + 1) if array else ()
        for it in [task_slurm_id(slurm_id, index) for index in tasks] or [slurm_id]:
            self._add(it, script, at)
        return slurm_id

    def _add(self, slurm_id: SlurmId, script: str, at: datetime) -> None:
        run = Sighting(
            slurm_id=slurm_id,
            tag=job_name(script),
            word="PENDING",
            state=SlurmState.PENDING,
            submitted_at=at,
        )
        self.scripts[slurm_id] = script
        self._histories[slurm_id] = [_Version(since=at, runs=(run,))]

    def start(self, slurm_id: SlurmId, *, node: str = "n1") -> None:
        """The job gets its node and runs."""
        now = self._clock.now()
        self._change(slurm_id, lambda it: _in(it, "RUNNING", started_at=now, nodes=node))

    def end(self, slurm_id: SlurmId, *, exit_code: int = 0) -> None:
        """The batch script exits."""
        word = "FAILED" if exit_code else "COMPLETED"
        reason = "NonZeroExitCode" if exit_code else None
        self.end_as(slurm_id, word, exit_code=exit_code, reason=reason)

    def end_as(
        self,
        slurm_id: SlurmId,
        word: str,
        *,
        exit_code: int = 0,
        signal: int = 0,
        reason: str | None = None,
    ) -> None:
        """The job ends in another way, such as TIMEOUT, OUT_OF_MEMORY or NODE_FAIL."""
        now = self._clock.now()
        self._change(
            slurm_id,
            lambda it: _in(
                it, word, reason=reason, exit_code=exit_code, signal=signal, ended_at=now
            ),
        )

    def say(self, slurm_id: SlurmId, word: str, *, reason: str | None = None) -> None:
        """The job shows this word and reason: COMPLETING, PENDING (Resources), words to come."""
        self._change(slurm_id, lambda it: _in(it, word, reason=reason))

    def requeue(self, slurm_id: SlurmId, *, word: str = "REQUEUED") -> None:
        """The run ends as `word` (also PREEMPTED, NODE_FAIL); the job waits for the next one."""
        self.end_as(slurm_id, word)
        runs = self._histories[slurm_id][-1].runs
        waiting = Sighting(
            slurm_id=slurm_id,
            tag=runs[-1].tag,
            word="PENDING",
            state=SlurmState.PENDING,
            reason="BeginTime",
            submitted_at=self._clock.now(),
        )
        self._record(slurm_id, (*runs, waiting))

    def hold(self, slurm_id: SlurmId) -> None:
        """Somebody holds the pending job; `say(id, "PENDING")` releases it."""
        self.say(slurm_id, "PENDING", reason="JobHeldUser")

    def cancel(self, slurm_id: SlurmId) -> None:
        """As scancel: nothing happens to a job that is unknown or has ended.

        An array is cancelled with all its tasks. A task that waits is forgotten when it is
        cancelled by itself: neither squeue nor sacct lists it any more (seen with 22.05).
        """
        tasks = [it for it in self._histories if it != slurm_id and array_id(it) == slurm_id]
        for it in tasks:
            self._cancel(it)
        history = self._histories.get(slurm_id)
        if history and array_index(slurm_id) is not None and not history[-1].runs[-1].started_at:
            self.lose(slurm_id)
        self._cancel(slurm_id)

    def tag_of(self, slurm_id: SlurmId) -> SubmissionTag | None:
        """The name of a job, or of an array; None when there is none of this id."""
        names = {
            history[-1].runs[-1].tag
            for it, history in self._histories.items()
            if slurm_id in (it, array_id(it))
        }
        return next(iter(names), None)

    def _cancel(self, slurm_id: SlurmId) -> None:
        history = self._histories.get(slurm_id)
        if history is None or _has_ended(history[-1].runs[-1]):
            return
        ran = history[-1].runs[-1].started_at is not None
        self.end_as(slurm_id, "CANCELLED", signal=15 if ran else 0)

    def lose(self, slurm_id: SlurmId) -> None:
        """The job is gone from everywhere, as after a lost state folder."""
        del self._histories[slurm_id]

    def forget_from(self, slurm_id: SlurmId) -> None:
        """The controller was killed before it had saved its state.

        This job and all later ones are gone, and their ids are given out again.
        """
        first = int(slurm_id)
        for number in range(first, self._next_id):
            self._histories.pop(SlurmId(str(number)), None)
        self._next_id = first

    def queue(self) -> tuple[Sighting, ...]:
        """What squeue sees: the last run of each job that lives, or ended not long ago."""
        now = self._clock.now()
        latest = [runs[-1] for runs in self._known(now)]
        return tuple(
            replace(it, exit_code=None, signal=None)
            for it in latest
            if it.ended_at is None or now - it.ended_at < self._min_job_age
        )

    def records(self, *, since: datetime, lag: timedelta) -> tuple[Sighting, ...]:
        """What accounting has, `lag` behind: the newest record of each job that did not end before.

        `since` leaves out jobs that ended earlier, as sacct -S does.
        """
        latest = [runs[-1] for runs in self._known(self._clock.now() - lag)]
        return tuple(it for it in latest if it.ended_at is None or it.ended_at >= since)

    def _known(self, at: datetime) -> Iterator[Runs]:
        for history in self._histories.values():
            versions = [version for version in history if version.since <= at]
            if versions:
                yield versions[-1].runs

    def _change(self, slurm_id: SlurmId, change: Callable[[Sighting], Sighting]) -> None:
        runs = self._histories[slurm_id][-1].runs
        self._record(slurm_id, (*runs[:-1], change(runs[-1])))

    def _record(self, slurm_id: SlurmId, runs: Runs) -> None:
        self._histories[slurm_id].append(_Version(since=self._clock.now(), runs=runs))


def job_name(script: str) -> SubmissionTag:
    """The name in the script's #SBATCH lines.

    Raises ValueError when there is none: sbatch would choose one, and no job of ours lacks it.
    """
    name = option(script, "--job-name") or option(script, "-J")
    if name is None:
        raise ValueError("the script has no #SBATCH --job-name line")
    return SubmissionTag(name)


def option(script: str, name: str) -> str | None:
    """What the script's #SBATCH lines say of it; they end at the first command (sbatch(1))."""
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            found, *words = shlex.split(line, comments=False)[1:]
            if found == name:
                return words[0]
            if found.startswith(f"{name}="):
                return found.removeprefix(f"{name}=")
    return None


def _in(
    run: Sighting,
    word: str,
    *,
    reason: str | None = None,
    exit_code: int | None = None,
    signal: int | None = None,
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
    nodes: str | None = None,
) -> Sighting:
    return replace(
        run,
        word=word,
        state=read_state(word),
        reason=reason,
        exit_code=exit_code,
        signal=signal,
        started_at=started_at or run.started_at,
        ended_at=ended_at or run.ended_at,
        nodes=nodes or run.nodes,
    )


def _has_ended(run: Sighting) -> bool:
    said = meaning(run.state, run.reason) if run.state else Meaning.UNDECIDED
    return said in FINAL
