"""What a look at a site's machines, broker and Slurm has found."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """What a finding means to who wants to run the bridge."""

    OK = "OK"
    NOTE = "NOTE"
    """Worth knowing; the bridge works."""
    SKIPPED = "SKIPPED"
    """Not looked at, or not known."""
    WRONG = "WRONG"
    """The bridge, or some of its jobs, would fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line for a person."""

    grade: Grade
    subject: str
    """What was looked at, such as `broker` or `partition gpu`."""
    words: str
    """What was found."""
    remedy: str | None = None
    """What to do about it."""


def ok(subject: str, words: str) -> Finding:
    """All is well."""
    return Finding(grade=Grade.OK, subject=subject, words=words)


def note(subject: str, words: str, remedy: str | None = None) -> Finding:
    """Worth knowing."""
    return Finding(grade=Grade.NOTE, subject=subject, words=words, remedy=remedy)


def skipped(subject: str, words: str) -> Finding:
    """Not looked at."""
    return Finding(grade=Grade.SKIPPED, subject=subject, words=words)


def wrong(subject: str, words: str, remedy: str) -> Finding:
    """To be put right."""
    return Finding(grade=Grade.WRONG, subject=subject, words=words, remedy=remedy)
