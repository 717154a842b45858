"""What a job leaves in its folder for artifacts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """A file that a job has left, as its script has seen it."""

    name: str
    """Its path below `artifacts/`."""
    size: int
    """In bytes."""
    sha256: str | None
    """In hexadecimal; None where the script did not count it, for the files are too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactList:
    """The files that a run of a job has left."""

    files: tuple[ArtifactFile, ...]
    total: int
    """How many there are: more than `files` where they are too many to list."""
