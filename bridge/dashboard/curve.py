"""Progress of a training as a figure: pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.client.board import BoardPoint

_FEW = 100
"""Points: so few are marked one by one."""
_COLOURS = (
    *("#2563eb", "#c2410c", "#0f766e", "#9333ea", "#a16207", "#be123c"),
    *("#0284c7", "#4d7c0f", "#db2777", "#64748b", "#7c2d12", "#0d9488"),
)


def last_run(points: Sequence[BoardPoint]) -> tuple[BoardPoint, ...]:
    """The points of the newest run: one that was requeued, or tried again, has begun anew."""
    if not points:
        return ()
    newest = max((it.attempt, it.restart) for it in points)
    return tuple(it for it in points if (it.attempt, it.restart) == newest)


def share_done(points: Sequence[BoardPoint]) -> float | None:
    """How much of the work is done, from 0 to 1; None where nobody has said."""
    if not points or not points[-1].total:
        return None
    return min(1.0, max(0.0, points[-1].step / points[-1].total))


def latest(points: Sequence[BoardPoint]) -> list[tuple[str, str]]:
    """Each metric with the value that was said last."""
    values = {name: value for point in points for name, value in point.metrics.items()}
    return [(name, metric_text(value)) for name, value in values.items()]


def metric_text(value: float | None) -> str:
    """A metric's value as people read it."""
    return "no number" if value is None else f"{value:.4g}"


def chosen_metric(metrics: Iterable[str]) -> str:
    """The one of several that is to be compared: a loss, or else the first; empty for none."""
    names = list(metrics)
    return next((it for it in names if "loss" in it.lower()), names[0] if names else "")


def has_lines(points: Sequence[BoardPoint]) -> bool:
    """Whether there is a line to draw: a metric that was said at least twice."""
    said = [name for point in points for name in point.metrics]
    return len(said) > len(set(said))


def figure(points: Sequence[BoardPoint]) -> dict[str, Any]:
    """A Plotly figure with a line for each metric. Colours of text are those of the page."""
    names = _names(points)
    lines = [_line(name, name, points, it) for it, name in enumerate(names)]
    return _figure(lines, title=names[0] if len(names) == 1 else "")


def figure_of_several(metric: str, lines: Mapping[str, Sequence[BoardPoint]]) -> dict[str, Any]:
    """A Plotly figure of one metric, with a line for each of these."""
    return _figure(
        [_line(title, metric, points, it) for it, (title, points) in enumerate(lines.items())],
        title=metric,
    )


def _figure(lines: Sequence[dict[str, Any]], *, title: str) -> dict[str, Any]:
    return {
        "data": lines,
        "layout": {
            "autosize": True,
            "margin": {"l": 52, "r": 12, "t": 12, "b": 44},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "x unified",
            "showlegend": len(lines) > 1,
            "legend": {"orientation": "h", "y": 1.08, "x": 0},
            "xaxis": {"title": {"text": "step"}, "zeroline": False, "fixedrange": True},
            "yaxis": {"title": {"text": title}, "zeroline": False, "fixedrange": True},
            # The same at every update: what a person has chosen in the figure stays.
            "uirevision": "curve",
        },
    }


def _names(points: Iterable[BoardPoint]) -> list[str]:
    return list(dict.fromkeys(name for point in points for name in point.metrics))


def _line(title: str, metric: str, points: Sequence[BoardPoint], number: int) -> dict[str, Any]:
    said = [(it.step, it.metrics[metric]) for it in points if metric in it.metrics]
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(said) <= _FEW else "lines",
        "name": title,
        "x": [step for step, _ in said],
        "y": [value for _, value in said],
        "line": {"color": _COLOURS[number % len(_COLOURS)], "width": 2},
        "marker": {"size": 5},
        "hovertemplate": "%{y:.5g}",
    }
