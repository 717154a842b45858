"""What the page of jobs shows, as the words in its address: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from bridge.client.board import JobFilter, JobSort
from bridge.core.user_state import UserState

PAGE_SIZE = 25
_FARTHEST_PAGE = 100_000
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsQuery:
    """Which jobs, in which order, and which page of them."""

    text: str = ""
    states: frozenset[UserState] = frozenset()
    site: str = ""
    kind: str = ""
    sweep: str = ""
    """Only the tasks of the sweep with this id."""
    with_tasks: bool = False
    """Whether tasks of sweeps are shown beside the sweeps; who looks for words finds them too."""
    sort: JobSort = JobSort.ACCEPTED
    is_descending: bool = True
    page: int = 1

    @classmethod
    def read(cls, words: Mapping[str, object]) -> Self:
        """What an address says; what it says wrongly is left out."""
        return cls(
            text=_text(words.get("text")),
            states=frozenset(filter(None, map(_state, _text(words.get("state")).split(",")))),
            site=_text(words.get("site")),
            kind=_text(words.get("kind")),
            sweep=_text(words.get("sweep")),
            with_tasks=words.get("tasks") == "yes",
            sort=_sort(_text(words.get("sort"))),
            is_descending=words.get("order") != "up",
            page=_page(_text(words.get("page"))),
        )

    def write(self) -> str:
        """The same as the words of an address, with `?` before them; empty for the first page."""
        words = {
            "text": self.text,
            "state": ",".join(sorted(self.states)),
            "site": self.site,
            "kind": self.kind,
            "sweep": self.sweep,
            "tasks": "yes" if self.with_tasks else "",
            "sort": "" if self.sort is JobSort.ACCEPTED else str(self.sort),
            "order": "" if self.is_descending else "up",
            "page": "" if self.page == 1 else str(self.page),
        }
        said = urlencode({name: value for name, value in words.items() if value})
        return f"?{said}" if said else ""

    def sorted_by(self, sort: JobSort) -> "JobsQuery":
        """The first page in this order; asked again, the other way round."""
        turned = sort is self.sort
        return replace(
            self, sort=sort, is_descending=not self.is_descending if turned else True, page=1
        )

    @property
    def offset(self) -> int:
        """How many jobs come before this page."""
        return (self.page - 1) * PAGE_SIZE

    @property
    def wanted(self) -> JobFilter:
        """The same as the board has it."""
        return JobFilter(
            states=self.states,
            sites=(self.site,) if self.site else (),
            kinds=(self.kind,) if self.kind else (),
            sweep=self.sweep,
            with_tasks=self.with_tasks or bool(self.sweep or self.text),
            text=self.text,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether some jobs are left out."""
        return bool(self.text or self.states or self.site or self.kind or self.sweep)


def pages_of(total: int) -> int:
    """How many pages so many jobs fill; at least one."""
    return max(1, -(-total // PAGE_SIZE))


def _text(value: object) -> str:
    return value.strip()[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _state(word: str) -> UserState | None:
    return UserState(word) if word in frozenset(UserState) else None


def _sort(word: str) -> JobSort:
    return JobSort(word) if word in frozenset(JobSort) else JobSort.ACCEPTED


def _page(word: str) -> int:
    return min(max(1, int(word)), _FARTHEST_PAGE) if word.isascii() and word.isdigit() else 1
