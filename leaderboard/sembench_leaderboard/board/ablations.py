"""Costs and gains of single choices in a method's design: the plain entry's profile beside those of its variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib import style

from sembench.errors import SembenchError
from sembench.figures.picture import STYLE
from sembench.results.result import Result
from sembench_leaderboard.drawing.pens import Pen, pens
from sembench_leaderboard.drawing.radar import INITIALS, KEY, REFERENCE
from sembench_leaderboard.drawing.sheet import Grid, Sheet
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.grouping import by_dataset, by_suite
from sembench_leaderboard.entries.profile import AVERAGE, Outline, gaps, outlines, with_average
from sembench_leaderboard.entries.selection import in_words, name_of, one_choice
from sembench_leaderboard.tables.escape import one_line

_RADIUS, _PER_ROW = 1.15, 3
_CAPTION = (
    "A panel for each hyper-parameter: entries that differ from the plain one (dashed) in it alone; colours start "
    "again in every panel. Larger is better on every axis; centre and circle have fixed meanings."
)


@dataclass(frozen=True)
class Ablation:
    """One hyper-parameter of one explainer: label and value of the plain entry, and values by label of the others."""

    explainer: str
    parameter: str
    plain: tuple[str, str]
    variants: Mapping[str, str]


def ablations(results: Sequence[Result]) -> list[Ablation]:
    """The hyper-parameters in which entries differ from the plain entry of their explainer, and only in these."""
    found: dict[tuple[str, str], Ablation] = {}
    runs = [result for result in results if result.kind == "explainer"]
    for own in by_dataset(runs).values():
        for plain, key, other in one_choice(own):
            name = name_of(other)
            value, changed = (in_words(run.hyperparameters.get(key)) for run in (plain.runs[0], other))
            known = found.get((name, key), Ablation(name, key, (plain.label, value), {}))
            found[name, key] = replace(known, variants={**known.variants, other.explainer: changed})
    return sorted(found.values(), key=lambda own: own.explainer)


def rendered(results: Iterable[Result]) -> dict[str, bytes]:
    """Radars of the ablations as PNG and SVG by path: for each data set, and on average where there are several.

    Raises:
        SembenchError: If no entry differs from the plain one of its explainer in one hyper-parameter.
    """
    files: dict[str, bytes] = {}
    for suite, own in by_suite(results).items():
        panels = ablations(own)
        if not panels:
            continue
        shown = with_average(outlines(aggregate(own)))
        with style.context(["default", STYLE]):
            for dataset, group in shown.items():
                name = "average" if dataset == AVERAGE else dataset
                files |= sheet(suite, dataset, panels, group).rendered(f"{suite}/ablations-{name}")
    if not files:
        raise SembenchError(
            "no entry differs from the plain entry of its explainer in one hyper-parameter; "
            "`sembench run --suite ablations` makes results that do."
        )
    return files


def sheet(suite: str, dataset: str, panels: Sequence[Ablation], group: Sequence[Outline]) -> Sheet:
    """A radar for each hyper-parameter on one data set; entries without a profile there are left out."""
    known = {outline.explainer: outline for outline in group}
    drawn = {label for panel in panels for label in (panel.plain[0], *panel.variants) if label in known}
    broken = [f"{one_line(name)} ({', '.join(gaps(known[name]))})" for name in sorted(drawn) if gaps(known[name])]
    caption = [KEY, _CAPTION, *([f"Broken where a measure does not apply: {'; '.join(broken)}."] if broken else [])]
    legend: dict[str, Pen] = {f"{name} (plain)": REFERENCE for name in dict.fromkeys(p.plain[0] for p in panels)}
    grid = Grid(len(panels), min(_PER_ROW, len(panels)), 2 * _RADIUS + 0.9, _RADIUS + 0.75, _RADIUS + 0.3, _RADIUS,
                label=0.48, title=9)  # fmt: skip
    own = [pens([label for label in panel.variants if label in known]) for panel in panels]
    for pen in own:
        legend |= pen
    whole = Sheet(f"Suite {one_line(suite)}: one choice at a time, {one_line(dataset)}", caption,
                  {one_line(name): pen for name, pen in legend.items()}, grid)  # fmt: skip
    for place, (panel, pen) in enumerate(zip(panels, own, strict=True)):
        radar = whole.panel(place, one_line(f"{panel.parameter} (plain: {panel.plain[1]})"))
        radar.frame(list(INITIALS), size=9)
        if panel.plain[0] in known:
            radar.outline(known[panel.plain[0]], REFERENCE)
        for label, look in pen.items():
            radar.outline(known[label], look)
    return whole
