"""Jobs whose images have to be at the site before they are submitted."""

from dataclasses import replace
from typing import assert_never

from bridge.core.facts import ImageAwaited, ImageFact, ImageThere, PullBegun, PullFailed
from bridge.core.failure import FailureReason
from bridge.core.lifecycle import EventKind, Job, Phase, Step
from bridge.core.moves import end, move, tell

PULLING = "the site does not have its image yet"


def imaged(job: Job, fact: ImageFact) -> Step:
    """What becomes of the job, as its image is looked for and pulled."""
    if isinstance(fact, ImageAwaited):
        return move(job, Phase.PULLING)
    if job.phase is not Phase.PULLING:
        return Step(job=job, anomaly=f"{job.phase} -> {type(fact).__name__}")
    match fact:
        case PullBegun():
            return _begun(job, fact)
        case ImageThere():
            return move(job, Phase.ACCEPTED)
        case PullFailed():
            reason = FailureReason.IMAGE_PULL
            return end(job, Phase.FAILED, fact.at, reason=reason, detail=fact.words)
    assert_never(fact)


def _begun(job: Job, fact: PullBegun) -> Step:
    if job.pulling_since is not None:
        return Step(job=job)
    pulling = replace(job, pulling_since=fact.at)
    return tell(pulling, EventKind.PULLING, fact.at, detail=PULLING)
