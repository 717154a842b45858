"""What a benchmark says: our number, the raw one beside it, and the goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound, on our number or on its ratio to the raw one."""

    of: Literal["ours", "ratio"]
    bound: Literal["at least", "below"]
    value: float

    def is_met(self, number: float) -> bool:
        return number >= self.value if self.bound == "at least" else number < self.value

    def __str__(self) -> str:
        sign = {"at least": ">=", "below": "<"}[self.bound]
        return f"{'ratio ' if self.of == 'ratio' else ''}{sign} {self.value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    ours: float
    raw: float | None = None
    """The same without the bridge, measured in the same run; None where there is no such thing."""
    goal: Goal | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours by raw."""
        return self.ours / self.raw if self.raw else None

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        number = self.ours if self.goal.of == "ours" else self.ratio
        return number is not None and self.goal.is_met(number)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": self.ours,
            "raw": self.raw,
            "ratio": self.ratio,
            "unit": self.unit,
            "goal": None if self.goal is None else str(self.goal),
            "ok": self.ok,
            "note": self.note,
        }


def at_least(value: float, of: Literal["ours", "ratio"] = "ours") -> Goal:
    return Goal(of=of, bound="at least", value=value)


def below(value: float, of: Literal["ours", "ratio"] = "ours") -> Goal:
    return Goal(of=of, bound="below", value=value)


_HEAD = ("figure", "ours", "raw", "unit", "ratio", "goal", "met", "note")
_TO_THE_RIGHT = {1, 2, 4}


def table(figures: Sequence[Figure]) -> str:
    """All figures as aligned text."""
    rows = [_HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        text.rjust(width) if column in _TO_THE_RIGHT else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        _number(figure.ours),
        _number(figure.raw),
        figure.unit,
        _number(figure.ratio),
        str(figure.goal or ""),
        {True: "yes", False: "NO", None: ""}[figure.ok],
        figure.note,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(percent) // 100) - 1))]
