"""Writes docs/lifecycle.md from the tables in bridge.core; `--check` only compares."""

import sys
from collections.abc import Mapping, Sequence

from drawn_page import listed, table, write_or_check

from bridge.core.lifecycle import ENDS, MOVES, EventKind, Phase
from bridge.core.slurm_state import FINAL, MEANING, Meaning, SlurmState

PHASE_MEANS: Mapping[Phase, str] = {
    Phase.BLOCKED: "It is on record and waits for other jobs, those of its `depends_on`; Slurm has "
    "not been asked yet.",
    Phase.ACCEPTED: "The message was understood and is on record; Slurm has not been asked yet. Or "
    "an attempt has failed, and Slurm has not been asked for the next one.",
    Phase.PULLING: "Before it is submitted, its image is looked for at the site, and pulled where "
    "it is not there.",
    Phase.SUBMITTING: "It is on record that Slurm is being asked: from here on, whatever happens, "
    "the job is looked up in Slurm before it is submitted again.",
    Phase.ARRAY: "Of a sweep: its tasks are jobs of their own, in Slurm as one array; it waits for "
    "their ends.",
    Phase.QUEUED: "Slurm has the job and has given it an id; it waits for its turn.",
    Phase.HELD: "It waits in Slurm until somebody releases it.",
    Phase.RUNNING: "Slurm has started it on its nodes.",
    Phase.FINISHED: "It ended with success.",
    Phase.FAILED: "It ended without success, or never could start; the event says why.",
    Phase.CANCELLED: "Somebody cancelled it, before it started or while it ran.",
}

EVENT_MEANS: Mapping[EventKind, str] = {
    EventKind.ACCEPTED: "The job is on record: from here on it is not lost.",
    EventKind.REJECTED: "The message cannot become a job; the event says what is wrong with it.",
    EventKind.QUEUED: "Slurm has the job, or has let go of a held one.",
    EventKind.PENDING: "Slurm gives another reason for the wait. Before `queued`: the job waits "
    "for others.",
    EventKind.HELD: "The job waits until somebody releases it.",
    EventKind.PULLING: "The site does not have the job's image yet, and pulls it.",
    EventKind.STARTED: "The job runs.",
    EventKind.PROGRESS: "The running job says how far it has come, in numbers of its own.",
    EventKind.EXITED: "The container has ended, with this exit code; Slurm's own word follows.",
    EventKind.REQUEUED: "Slurm has put the running job back into its queue.",
    EventKind.RETRYING: "This attempt has failed, and why; another one follows, not before "
    "`next_attempt_at`.",
    EventKind.FINISHED: "The end: success.",
    EventKind.FAILED: "The end: no success, and why.",
    EventKind.CANCELLED: "The end: cancelled.",
    EventKind.UNREACHABLE: "Of a site, not of a job: its Slurm has not answered for long.",
    EventKind.RECOVERED: "Of a site: its Slurm answers again.",
}

OPENING = """\
# The life of a job

<!-- Drawn from the tables in bridge/core by scripts/lifecycle-page: change those, not this. -->

The bridge knows each job in exactly one phase. What it is told (by itself, by Slurm, by the marks
that a job's script leaves) moves the job along the arrows below and along no others; what does not
fit is logged and changes nothing."""

STATES_OPENING = """\
The words are those of squeue(1) and sacct(1), "JOB STATE CODES". A word that is not in this table,
a query that failed and a job that is missing from an answer say nothing about how a job ended.
A waiting job whose reason begins with `JobHeld`, `JobHold` or `launch failed requeued held` counts
as held."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with `--check` returns 1 when it is not what would be written."""
    return write_or_check(
        "docs/lifecycle.md",
        page(),
        program="scripts/lifecycle-page",
        does=__doc__,
        arguments=arguments,
    )


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        OPENING,
        "## Phases",
        table(["Phase", "Meaning", "May become"], [phase_row(phase) for phase in Phase]),
        diagram(),
        "## Events",
        ends_sentence(),
        table(["Event", "Meaning"], [[f"`{kind}`", EVENT_MEANS[kind]] for kind in EventKind]),
        "## What Slurm's words mean",
        STATES_OPENING,
        table(["Meaning", "Slurm's words", "Ends the job"], [state_row(it) for it in Meaning]),
    ]
    return "\n\n".join(parts) + "\n"


def ends_sentence() -> str:
    """Which events are the last of a job."""
    ends = listed(kind.value for kind in EventKind if kind.value in ENDS)
    return (
        f"What is told to the outside. Each accepted job gets exactly one of {ends}, and nothing "
        "after it; what cannot become a job gets `rejected` alone."
    )


def phase_row(phase: Phase) -> list[str]:
    """A phase, what it means and what may follow, in the order of the phases."""
    following = listed(it.value for it in Phase if it in MOVES[phase])
    return [f"`{phase}`", PHASE_MEANS[phase], following or "nothing: this is an end"]


def state_row(meaning: Meaning) -> list[str]:
    """A meaning and all of Slurm's words that have it."""
    words = listed(it.value for it in SlurmState if MEANING[it] is meaning)
    ends = "no"
    if meaning in FINAL:
        ends = "once confirmed" if meaning is Meaning.INTERRUPTED else "yes"
    return [f"It {meaning}", words or "(from the reason, not from a word)", ends]


def diagram() -> str:
    """The moves as a Mermaid state diagram."""
    # A sweep's tasks begin in the queue.
    arrows = [f"[*] --> {it}" for it in (Phase.BLOCKED, Phase.ACCEPTED, Phase.QUEUED)]
    arrows += [f"{was} --> {now}" for was in Phase for now in Phase if now in MOVES[was]]
    arrows += [f"{phase} --> [*]" for phase in Phase if phase in ENDS]
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {it}" for it in arrows), "```"])


if __name__ == "__main__":
    sys.exit(main())
