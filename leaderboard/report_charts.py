"""What do the charts of the report draw? Positions on the radar's axes, and accuracy gap against each quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboard import numbers
from leaderboard.entry import Entry, column
from leaderboard.escape import one_line
from leaderboard.radar import AXES, outlines, profile
from leaderboard.report_scores import grouped, kind
from leaderboard.tables import SECTIONS

_ORDER = ("reference", "explainer", "conversion", "control")
_AT_FIRST = 8  # more outlines than that cannot be told apart at a glance; the others are a click away
_GAP = "accuracy_gap"


def chart_data(entries: Sequence[Entry]) -> dict[str, Any]:
    """The numbers behind the charts, as JSON; the page computes averages and fronts over what is switched on.

    Returns:
        ``axes``: name and ends; ``datasets``: names; ``qualities``: metrics that the accuracy gap is set against;
        ``methods``: name, kind, whether it is drawn at first, and by data set the positions on the axes (``None``
        where a measure does not apply), the gap and the qualities, each ``[value, low, high]`` or ``None``.
    """
    datasets = list(dict.fromkeys(entry.dataset for entry in entries))
    measures = {e.metric: e.measure for e in sorted(entries, key=lambda e: column(e.metric))}
    qualities = [name for name, measure in measures.items() if SECTIONS[measure.per] != "Predictions"]
    on_axes = {(dataset, o.explainer) for dataset, group in outlines(entries).items() for o in group}
    methods: dict[str, dict[str, Any]] = {}
    for own in grouped(entries):
        first, scores = own[0], {entry.metric: entry for entry in own}
        method = methods.setdefault(first.explainer, {"name": first.explainer, "kind": kind(first), "on": {}})
        method["on"][first.dataset] = {
            "profile": _positions(own) if (first.dataset, first.explainer) in on_axes else None,
            "gap": _interval(scores.get(_GAP)),
            "qualities": [_interval(scores.get(metric)) for metric in qualities],
        }
    listed = sorted(methods.values(), key=lambda method: (_ORDER.index(method["kind"]), method["name"]))
    shown = [method["name"] for method in listed if method["kind"] in ("reference", "explainer")][:_AT_FIRST]
    return {
        "axes": [{"name": axis.name, "ends": axis.ends} for axis in AXES],
        "datasets": datasets,
        "qualities": [
            {
                "title": one_line(measures[metric].title),
                "unit": one_line(numbers.unit(measures[metric])),
                "direction": measures[metric].direction,
            }
            for metric in qualities
        ],
        "methods": [method | {"shown": method["name"] in shown} for method in listed],
    }


def _positions(own: Sequence[Entry]) -> list[float | None]:
    positions = profile(own)
    return [None if (value := positions[axis.name]) is None else _short(value) for axis in AXES]


def _interval(entry: Entry | None) -> list[float] | None:
    if entry is None or entry.value is None or entry.low is None or entry.high is None:
        return None
    return [_short(number) for number in (entry.value, entry.low, entry.high)]


def _short(number: float) -> float:
    """Six digits: more than a chart shows."""
    return float(f"{number:.6g}")
