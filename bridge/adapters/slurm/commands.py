"""Slurm's commands, each as a pair: what to run, and what its answer says. Pure functions."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from bridge.core.errors import (
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import FINAL, Meaning, meaning, read_state
from bridge.core.slurm_words import (
    ACCOUNTING_IS_OFF,
    UNKNOWN_USER,
    Verdict,
    failed_submission,
    said,
    verdict,
)
from bridge.ports import Completed

W = TypeVar("W")

DELIMITER = "\x1f"
"""Between two columns: no state, node or id can hold it."""

WORDS = (("LC_ALL", "C"),)
"""What every reader relies on: English words."""

TIMES = (
    ("SLURM_TIME_FORMAT", "%s"),
    # sacct reads -S in local time. Not for sbatch: a site's own --begin is local time, too.
    ("TZ", "UTC"),
)
"""What readers of rows rely on: seconds since the epoch (squeue(1), sacct(1), ENVIRONMENT)."""

# The name is last, since it alone is free text and may hold the delimiter.
SQUEUE_COLUMNS = ("%i", "%T", "%r", "%V", "%S", "%e", "%N", "%j")
SACCT_COLUMNS = (
    *("JobID", "State", "ExitCode", "Submit", "Start", "End", "NodeList", "Reason", "JobName"),
)

_NOT_FOUND = (126, 127)
_BAD_OPTION = 255
_SUBMITTED = re.compile(r"[0-9]+(?:;[A-Za-z0-9_.-]+)?")
_VERSION = re.compile(r"slurm(?:-wlm)? ([0-9]+\.[0-9]+(?:\.[0-9]+)?)", re.ASCII)
_PRINTED = (0, 1)
_NO_PLUGINS = ("", "(null)", "cli_filter/none", "none")
_ROW_ID = re.compile(r"[0-9]+(?:_(?:[0-9]+|\[[0-9,:%-]+(?:\.\.\.)?\])|\+[0-9]+)?")
_WAITING = (Meaning.QUEUED, Meaning.REQUEUED, Meaning.HELD)
_NO_NODES = ("", "None assigned", "(null)", "n/a")
_MARGIN = timedelta(minutes=1)
# Between our clock and the cluster's.


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """An answer, row by row."""

    sightings: tuple[Sighting, ...]
    not_understood: tuple[str, ...] = ()
    """Lines that are no rows of ours: nothing is known of whatever they speak of."""


def sbatch_argv() -> tuple[str, ...]:
    """Submit the script on stdin; sbatch(1), --parsable."""
    return ("sbatch", "--parsable")


def read_sbatch(answer: Completed) -> SlurmId:
    """The new job's id: `id` or `id;cluster`.

    Raises SubmissionRefusedError, SubmissionUncertainError, SiteFullError or UnavailableError.
    Without a word of Slurm's that says otherwise, the job may exist.
    """
    code, words = answer.return_code, said(answer.stderr)
    if code == 0:
        return _submitted_id(answer)
    if code is None:
        raise SubmissionUncertainError(f"sbatch did not end in time: {words}")
    if code in _NOT_FOUND:
        raise UnavailableError(f"sbatch cannot be started: {words}")
    if code == _BAD_OPTION and verdict(answer.stderr) is None:
        raise SubmissionRefusedError(words or "sbatch does not accept an option of the script")
    raise failed_submission(answer.stderr, words or f"sbatch ended with {code} and no word")


def _submitted_id(answer: Completed) -> SlurmId:
    # A site's wrapper may add lines of its own around the one that --parsable prints.
    lines = [it for line in answer.stdout.splitlines() if _SUBMITTED.fullmatch(it := line.strip())]
    if len(lines) != 1:
        shown = said(answer.stdout) or "nothing"
        words = f"sbatch named no job, it printed: {shown}"
        raise SubmissionUncertainError(words, is_understood=False)
    return SlurmId(lines[0])


def read_cluster(answer: Completed) -> str:
    """The ClusterName, in lower case as Slurm keeps it. Raises UnavailableError when it is none."""
    found = read_configuration(answer).get("ClusterName")
    if not found:
        raise UnavailableError("scontrol show config names no ClusterName")
    return found.lower()


def version_argv() -> tuple[str, ...]:
    """Which Slurm the commands here are of; sbatch(1), --version."""
    return ("sbatch", "--version")


def read_version(answer: Completed) -> tuple[int, ...]:
    """Of `slurm 24.05.3` or `slurm-wlm 22.05.8`. Raises UnavailableError when it is no answer."""
    found = _VERSION.search(answer.stdout)
    if answer.return_code != 0 or found is None:
        raise UnavailableError(_failure("sbatch --version", answer))
    return tuple(map(int, found[1].split(".")))


def configuration_argv() -> tuple[str, ...]:
    """The controller's configuration, a field a line; scontrol(1)."""
    return ("scontrol", "show", "config")


def read_configuration(answer: Completed) -> Mapping[str, str]:
    """The values by name. Raises UnavailableError when it is no answer.

    scontrol pings the controllers when it has printed all. It exits with 1 when one of them is down
    or, unlike other requests, is not asked again though it limits our rate (seen with 24.11).
    """
    pairs = (line.partition(" = ") for line in answer.stdout.splitlines())
    values = {name.strip(): value.strip() for name, equals, value in pairs if equals}
    if answer.return_code not in _PRINTED or not values:
        raise UnavailableError(_failure("scontrol show config", answer))
    return values


def read_cli_filters(answer: Completed) -> tuple[str, ...]:
    """The CliFilterPlugins. Raises UnavailableError when it is no answer."""
    found = read_configuration(answer).get("CliFilterPlugins")
    if found is None:
        raise UnavailableError("scontrol show config names no CliFilterPlugins")
    return () if found in _NO_PLUGINS else tuple(found.split(","))


def squeue_argv(tags: Iterable[SubmissionTag] = ()) -> tuple[str, ...]:
    """All jobs of this user, or those with these names, each array task on its own; squeue(1)."""
    names = ",".join(tags)
    named = ("--name", names) if names else ()
    columns = DELIMITER.join(SQUEUE_COLUMNS)
    return (
        *("squeue", "--local", "--me", "--noheader", "--array", "--states=all"),
        *named,
        *("--format", columns),
    )


def read_squeue(answer: Completed) -> Rows:
    """The rows of squeue. Raises UnavailableError when it is no answer."""
    if answer.return_code != 0 or UNKNOWN_USER in answer.stderr:
        raise UnavailableError(_failure("squeue", answer))
    return _read_rows(answer.stdout, len(SQUEUE_COLUMNS), _queue_row)


def _queue_row(columns: Sequence[str]) -> Sighting:
    slurm_id, word, reason, submit, start, end, nodes, name = columns
    return _sighting(
        slurm_id=slurm_id,
        name=name,
        word=word,
        reason=reason,
        submit=submit,
        start=start,
        end=end,
        nodes=nodes,
    )


def sacct_argv(
    *,
    slurm_ids: Iterable[SlurmId] = (),
    tags: Iterable[SubmissionTag] = (),
    since: datetime,
) -> tuple[str, ...]:
    """All records of these jobs, or of this user's jobs with these names; sacct(1).

    One record a job and run (-X, -D), none that ended before `since`. Without ids, sacct leaves out
    jobs that are not eligible to run, such as held ones: squeue has those.
    """
    names = ",".join(tags)
    named = ("--name", names) if names else ()
    ids = ",".join(map(plain_id, slurm_ids))
    chosen = ("--jobs", ids) if ids else ()
    start = (since.astimezone(UTC) - _MARGIN).strftime("%Y-%m-%dT%H:%M:%S")
    return (
        *("sacct", "-X", "--noheader", "--parsable2", "--duplicates"),
        f"--delimiter={DELIMITER}",
        *chosen,
        *named,
        *("--starttime", start, "--format", ",".join(SACCT_COLUMNS)),
    )


def read_sacct(answer: Completed) -> Rows | None:
    """The newest record of each job; None where accounting is off.

    Raises UnavailableError when it is no answer. A requeue closes a record and opens another one
    with a later Submit (sacct(1), --duplicates).
    """
    if answer.return_code != 0 and ACCOUNTING_IS_OFF in answer.stderr:
        return None
    if answer.return_code != 0:
        raise UnavailableError(_failure("sacct", answer))
    rows = _read_rows(answer.stdout, len(SACCT_COLUMNS), _record_row)
    newest: dict[SlurmId, Sighting] = {}
    for row in rows.sightings:
        known = newest.get(row.slurm_id)
        if known is None or _submitted_at(known) <= _submitted_at(row):
            newest[row.slurm_id] = row
    return Rows(sightings=tuple(newest.values()), not_understood=rows.not_understood)


def _submitted_at(row: Sighting) -> datetime:
    return row.submitted_at or datetime.min.replace(tzinfo=UTC)


def _record_row(columns: Sequence[str]) -> Sighting:
    slurm_id, word, exit_and_signal, submit, start, end, nodes, reason, name = columns
    exit_code, colon, signal = exit_and_signal.partition(":")
    ended = colon and exit_code.isdecimal() and signal.isdecimal()
    return _sighting(
        slurm_id=slurm_id,
        name=name,
        word=word,
        reason=reason,
        submit=submit,
        start=start,
        end=end,
        nodes=nodes,
        exit_code=int(exit_code) if ended else None,
        signal=int(signal) if ended else None,
    )


def scancel_argvs(slurm_ids: Iterable[SlurmId]) -> Iterator[tuple[str, ...]]:
    """Cancel jobs, those of each cluster by one command; scancel(1)."""
    by_cluster: dict[str | None, list[str]] = {}
    for slurm_id in slurm_ids:
        number, cluster = split_id(slurm_id)
        by_cluster.setdefault(cluster, []).append(number)
    for cluster, numbers in by_cluster.items():
        where = ("--clusters", cluster) if cluster else ()
        yield ("scancel", *where, *numbers)


def read_scancel(answer: Completed) -> str | None:
    """None when the controller has the request; else words that say nothing of the controller.

    Raises UnavailableError when the request did not get there. A job that has ended, or that
    nobody knows, is no failure: its state tells.
    """
    code = answer.return_code
    if code == 0:
        return None
    away = (Verdict.UNCERTAIN, Verdict.UNAVAILABLE, Verdict.AUTHENTICATION)
    if code is None or code < 0 or code in _NOT_FOUND or verdict(answer.stderr) in away:
        raise UnavailableError(_failure("scancel", answer))
    return said(answer.stderr) or f"scancel ended with {code} and no word"


def split_id(slurm_id: SlurmId) -> tuple[SlurmId, str | None]:
    """The id that rows are named by, and the cluster that sbatch may name with it."""
    number, _, cluster = slurm_id.partition(";")
    return SlurmId(number), cluster or None


def plain_id(slurm_id: SlurmId) -> SlurmId:
    """The id without the cluster."""
    return split_id(slurm_id)[0]


def _failure(command: str, answer: Completed) -> str:
    code = answer.return_code
    ended = "did not end in time" if code is None else f"ended with {code}"
    return f"{command} {ended}: {said(answer.stderr) or 'no word of why'}"


def _read_rows(text: str, width: int, read: Callable[[Sequence[str]], Sighting]) -> Rows:
    # Not splitlines(): that splits at the delimiter's cousins too, and names may hold anything.
    lines = [line for line in text.split("\n") if line]
    split = [line.split(DELIMITER, width - 1) for line in lines]
    good = [len(it) == width and _ROW_ID.fullmatch(it[0]) is not None for it in split]
    return Rows(
        sightings=tuple(read(it) for it, is_good in zip(split, good, strict=True) if is_good),
        not_understood=tuple(
            line for line, is_good in zip(lines, good, strict=True) if not is_good
        ),
    )


def _sighting(
    *,
    slurm_id: str,
    name: str,
    word: str,
    reason: str,
    submit: str,
    start: str,
    end: str,
    nodes: str,
    exit_code: int | None = None,
    signal: int | None = None,
) -> Sighting:
    state = read_state(word)
    why = None if reason in ("", "None") else reason
    said_of_life = None if state is None else meaning(state, why)
    has_ended = said_of_life in FINAL
    on_nodes = None if nodes in _NO_NODES else nodes
    # Before the start, Start and End are when Slurm expects them; of a job that was cancelled in
    # the queue, Start is when that was, and only the lack of nodes tells.
    has_started = on_nodes is not None and (has_ended or said_of_life is Meaning.RUNNING)
    return Sighting(
        slurm_id=SlurmId(slurm_id),
        tag=SubmissionTag(name),
        word=word,
        state=state,
        reason=why,
        exit_code=exit_code if has_ended else None,
        signal=signal if has_ended else None,
        submitted_at=_time(submit),
        expected_start_at=_time(start) if said_of_life in _WAITING else None,
        started_at=_time(start) if has_started else None,
        ended_at=_time(end) if has_ended else None,
        nodes=on_nodes,
    )


def _time(text: str) -> datetime | None:
    """Seconds since the epoch; None for `Unknown`, `None` and `N/A`."""
    return datetime.fromtimestamp(int(text), UTC) if re.fullmatch(r"[0-9]{1,10}", text) else None


def in_chunks(words: Iterable[W], size: int) -> Iterator[tuple[W, ...]]:
    """Ids, tags or both in groups of at most `size`: one argument may have 128 KiB (execve(2))."""
    every = tuple(words)
    for start in range(0, len(every), size):
        yield every[start : start + size]
