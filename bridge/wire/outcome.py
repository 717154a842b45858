"""The note `outcome.json` in the folder of a job that is over, for a rebuilt journal."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.job import SlurmId
from bridge.core.lifecycle import Job, Phase
from bridge.core.restore import Outcome
from bridge.wire.problems import problems_of


class _Note(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    event: Literal["finished", "failed", "cancelled"]
    sequence: int = Field(ge=1, le=2**53)
    slurm_id: str | None = Field(max_length=100)
    attempt: int = Field(ge=1, le=999_999)


def write_outcome(job: Job) -> str:
    """The note about a job that has told its end."""
    note = {
        "event": str(job.phase),
        "sequence": job.sequence,
        "slurm_id": job.slurm_id,
        "attempt": job.attempt,
    }
    return json.dumps(note) + "\n"


def read_outcome(body: bytes) -> Outcome:
    """What the note says. Raises ValueError when it is none."""
    try:
        note = _Note.model_validate_json(body)
    except ValidationError as error:
        words = "; ".join(map(str, problems_of(error)))
        raise ValueError(f"its outcome.json is not to be understood: {words}") from None
    return Outcome(
        phase=Phase(note.event),
        sequence=note.sequence,
        attempt=note.attempt,
        slurm_id=None if note.slurm_id is None else SlurmId(note.slurm_id),
    )
