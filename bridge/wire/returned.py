"""What comes back from a job's container, as events tell it."""

from pydantic import BaseModel, ConfigDict, Field

from bridge.core.artifacts import ArtifactList
from bridge.core.progress import Point


class _Model(BaseModel):
    # Later versions may say more; who reads version 1 leaves that alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


class PointData(_Model):
    """One line of what the job wrote."""

    step: float | int = Field(description="how far it was")
    total: float | int | None = Field(description="how far it means to go")
    metrics: dict[str, float | int | None] = Field(
        description="such as a loss; null where it was no number"
    )
    message: str | None = Field(description="words for a person")


class ProgressData(_Model):
    """What a job wrote into the file that `BRIDGE_PROGRESS` names, since the last such event."""

    number: int = Field(description="1, 2, 3... within a job: a `sequence` of progress alone")
    points: list[PointData] = Field(description="every line since then, oldest first")
    skipped: int = Field(description="how many lines could not be read since then")


class ArtifactData(_Model):
    """A file that the job has left."""

    name: str = Field(description="its path below `artifacts/`")
    size: int = Field(description="in bytes")
    sha256: str | None = Field(description="null where the files are too large to count it")


class ArtifactsData(_Model):
    """What the job has left in `artifacts/`, as its script saw it at its end."""

    files: list[ArtifactData] = Field(description="at most 200, by name")
    total: int = Field(description="how many there are")


def progress_data(*, number: int, points: tuple[Point, ...], skipped: int) -> ProgressData:
    """What a progress event tells."""
    return ProgressData(
        number=number,
        points=[
            PointData(step=it.step, total=it.total, metrics=dict(it.metrics), message=it.message)
            for it in points
        ],
        skipped=skipped,
    )


def artifacts_data(found: ArtifactList) -> ArtifactsData:
    """What a last event tells."""
    files = sorted(found.files, key=lambda it: it.name)
    return ArtifactsData(
        files=[ArtifactData(name=it.name, size=it.size, sha256=it.sha256) for it in files],
        total=found.total,
    )
