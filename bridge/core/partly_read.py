"""Jobs whose messages have mistakes: what is known to be wrong with the rest of them."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from bridge.core.errors import InvalidRequestError, Problem, and_more
from bridge.core.job import JobSpec
from bridge.core.wanted import cut

Objections = Callable[[JobSpec], Iterable[Problem]]
"""What a site has against a job that it understood."""

_MOST_PROBLEMS = 50
_LONGEST_PLACE = 200
_LONGEST_WORDS = 1_000
_JUDGED_ALONE = ("resources.", "sweep.at_once")
"""How the fields begin whose sections are judged by the others in them."""


def _as_it_is(problem: Problem) -> Problem:
    return problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PartlyRead:
    """A job as far as it could be read."""

    spec: JobSpec
    """With something made up at every field that was not read."""
    unread: frozenset[str]
    """The fields that are at fault, as dotted paths."""
    problem_there: Callable[[Problem], Problem] = _as_it_is
    """The problem with a field of ours, at its place in the message."""

    def problems(self, objections: Objections) -> Iterator[Problem]:
        """Those that no correction of the unread fields would take away, at their places."""
        for it in known_problems(objections(self.spec), self._doubtful()):
            yield self.problem_there(it)

    def _doubtful(self) -> frozenset[str]:
        """The unread fields, and those that are judged by what these say."""
        found = set(self.unread)
        if _says(self.unread, "user"):
            found.add("secrets")
        if _says(self.unread, "params_format"):
            found.add("params_path")
        asked = self.spec.resources.walltime
        if _says(self.unread, "resources.walltime") or (asked is None and self._asks_otherwise()):
            found.add("checkpoint")
        return frozenset(found)

    def _asks_otherwise(self) -> bool:
        """Whether the job may belong into another profile, which has a walltime of its own."""
        return any(it.partition(".")[0] == "resources" for it in self.unread)


class PartlyReadError(InvalidRequestError):
    """The form of a request is wrong, and some of the jobs in it could be read all the same."""

    def __init__(
        self, *problems: Problem, rest: tuple[PartlyRead, ...], job_id: str | None = None
    ) -> None:
        self.rest = rest
        super().__init__(*problems, job_id=job_id)


def every_problem(error: InvalidRequestError, objections: Objections) -> tuple[Problem, ...]:
    """What the error tells, then what there is against all that could be read; each once.

    As much of it as a person still reads and an event can bear, and then how many more there are.
    """
    rest = error.rest if isinstance(error, PartlyReadError) else ()
    found = (problem for it in rest for problem in it.problems(objections))
    every = list(dict.fromkeys((*error.problems, *found)))
    shown = tuple(map(_short, every[:_MOST_PROBLEMS]))
    return and_more(shown, len(every))


def _short(problem: Problem) -> Problem:
    return Problem(where=cut(problem.where, _LONGEST_PLACE), what=cut(problem.what, _LONGEST_WORDS))


def known_problems(problems: Iterable[Problem], unread: Collection[str]) -> Iterator[Problem]:
    """Those that do not come from a field that was not read, nor from a section with such a one."""
    not_alone = [it for it in unread if not it.startswith(_JUDGED_ALONE)]
    above = {section for it in not_alone for section in _sections(it)}
    for problem in problems:
        if problem.where not in above and not _says(unread, problem.where):
            yield problem


def _says(unread: Collection[str], field: str) -> bool:
    """Whether the field is one of these, or lies within one."""
    return any(it in unread for it in (field, *_sections(field)))


def _sections(field: str) -> Iterator[str]:
    """Those that the field lies in, the outermost first."""
    parts = field.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])
