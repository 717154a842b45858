"""Errors named by what to do next."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with what somebody sent or wrote, in words they understand."""

    where: str
    """The field, as a dotted path; empty when it is the whole document."""
    what: str
    """What is wrong with it, and what is accepted."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


def and_more(shown: tuple[Problem, ...], count: int) -> tuple[Problem, ...]:
    """Those of so many problems that a person still reads, and how many more there are."""
    more = count - len(shown)
    return (*shown, Problem(where="", what=f"and {more} more problems")) if more else shown


class BridgeError(Exception):
    """The root of every error that the bridge raises on purpose."""


class InvalidRequestError(BridgeError):
    """The request can never be accepted as it is: reject it with every reason at once."""

    def __init__(self, *problems: Problem, job_id: str | None = None) -> None:
        self.problems = problems
        self.job_id = job_id
        super().__init__("; ".join(map(str, problems)))


class ImagePullError(BridgeError):
    """The image cannot be had: report the runtime's own words to those who want it."""


class SubmissionRefusedError(BridgeError):
    """Slurm said no for good: report its own words to the requester."""


class SubmissionUncertainError(BridgeError):
    """The job may exist: look its tag up before submitting again."""

    def __init__(self, words: str, *, is_understood: bool = True) -> None:
        """Tell of words that we know as doubtful; else `is_understood` is False.

        What is said again and again and is not understood may mean no.
        """
        self.is_understood = is_understood
        super().__init__(words)


class UnavailableError(BridgeError):
    """Nothing happened and nothing is known: change nothing, ask later."""


class SiteFullError(UnavailableError):
    """The site takes no more jobs of ours for now: ask later and accept no new ones till then."""


class OverBudgetError(UnavailableError):
    """The site was asked as often as we may for now: nothing was asked; ask after `wait`."""

    def __init__(self, words: str, *, wait: timedelta) -> None:
        self.wait = wait
        super().__init__(words)


class ConfigurationError(BridgeError):
    """A file that a person wrote is wrong: tell them every problem, with its place."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class SupersededError(BridgeError):
    """Somebody else has the journal now: stop, write nothing more."""
