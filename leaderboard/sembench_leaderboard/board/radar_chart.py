"""The radar charts: all methods on one, each on a small one; conversions and controls on charts of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from matplotlib import style

from sembench.figures.picture import STYLE
from sembench_leaderboard.drawing.pens import Pen, pens
from sembench_leaderboard.drawing.radar import INITIALS, KEY, REFERENCE
from sembench_leaderboard.drawing.sheet import Grid, Sheet
from sembench_leaderboard.entries.profile import AVERAGE, AXES, RIM, Outline, averages, gaps, with_average

Outlines = Mapping[str, Sequence[Outline]]

_FIXED = (
    "Larger is better on every axis. Centre and circle have fixed meanings: no outline depends on who else takes part. "
    f"Outlines are cut at the centre and at {RIM:g}."
)
_AVERAGED = " Scores are averaged before outlines are cut."


def charts(suite: str, by_dataset: Outlines) -> dict[str, bytes]:
    """All charts of a suite, as PNG and SVG by file name.

    There is no chart of explainers, or of controls, where there are none, and none of conversions where no model that
    one is made of ran on the same data.
    """
    sheets: dict[str, Sheet] = {}
    means, of = averages(by_dataset), f"Suite {suite}:"
    with style.context(["default", STYLE]):
        if _names(by_dataset, "explainer"):
            sheets["radar"] = overview(f"{of} profiles first, ranks last", by_dataset, "explainer")
            sheets["radar-small-multiples"] = small_multiples(f"{of} one profile each", by_dataset, means)
        if _pairs(by_dataset):
            title = f"{of} conversions, beside the models that they are made of"
            sheets["radar-conversions"] = conversions(title, by_dataset)
        if _names(by_dataset, "control"):
            title = f"{of} controls, entries with a known answer"
            sheets["radar-controls"] = overview(title, by_dataset, "control")
        return {file: content for name, own in sheets.items() for file, content in own.rendered(name).items()}


def overview(title: str, by_dataset: Outlines, kind: str) -> Sheet:
    """One radar per data set, and their average if there are several: all methods of one kind, and the reference.

    Behind controls the explainers stand in grey. More than four radars are small, with a key to their axes; of more
    than four of controls only the average is drawn, since their answers are known on every data set.
    """
    panels = with_average(by_dataset)
    if kind == "control" and len(panels) > 4:
        panels = {AVERAGE: panels[AVERAGE]}
    pen = pens(_names(by_dataset, kind)) | dict.fromkeys(_names(by_dataset, "reference"), REFERENCE)
    many = len(panels) > 4
    averaged = _AVERAGED * (len(by_dataset) > 1)
    caption = [KEY] * many + [_FIXED + averaged + " Grey: the explainers." * (kind == "control")]
    caption += _broken(o for group in by_dataset.values() for o in group if o.explainer in pen)
    sheet = Sheet(title, caption, pen, _small(len(panels), 1.1) if many else _large(len(panels)))
    labels = list(INITIALS) if many else [f"{axis.name}\n{axis.ends}" for axis in AXES]
    for place, (name, group) in enumerate(panels.items()):
        panel = sheet.panel(place, name)
        panel.frame(labels, size=9)
        if kind == "control":
            panel.background(outline for outline in group if outline.kind == "explainer")
        for outline in sorted(group, key=lambda outline: outline.kind == "reference"):
            if outline.explainer in pen:
                panel.outline(outline, pen[outline.explainer])
    return sheet


def small_multiples(title: str, by_dataset: Outlines, means: Sequence[Outline]) -> Sheet:
    """One radar per explainer, before the others in grey.

    With several data sets the bold outline is their average, for methods that ran on all of them, and a thin line
    stands for each data set.
    """
    names = _names(by_dataset, "explainer")
    own = {name: [o for group in by_dataset.values() for o in group if o.explainer == name] for name in names}
    averaged = several = ""
    if len(by_dataset) > 1:
        averaged, several = _AVERAGED, "Bold: average over data sets; thin: each data set. "
    dashed = "; dashed: the reference" if _names(by_dataset, "reference") else ""
    caption = [KEY, _FIXED + averaged, f"{several}Grey: the other explainers{dashed}."]
    caption += _broken(outline for group in own.values() for outline in group)
    sheet = Sheet(title, caption, {}, _small(len(names), 0.95))
    for place, (name, pen) in enumerate(pens(names).items()):
        panel = sheet.panel(place, name)
        panel.frame(list(INITIALS), size=9)
        panel.background(o for o in means if o.kind == "explainer" and o.explainer != name)
        panel.background((o for o in means if o.kind == "reference"), REFERENCE.colour, REFERENCE.dashes)
        panel.background(own[name] if several else (), pen.colour)
        for outline in (o for o in means if o.explainer == name):
            panel.area(outline, pen.colour)
            panel.outline(outline, replace(pen, dashes="-", size=5.0, width=1.8))
    return sheet


def conversions(title: str, by_dataset: Outlines) -> Sheet:
    """One radar per conversion, with the model that it is made of: averages over the data sets on which both ran.

    A conversion without its model is no comparison: the caption names it.
    """
    pairs = _pairs(by_dataset)
    several = len(by_dataset) > 1
    averaged = "Averages over the data sets on which both ran. " if several else ""
    caption = [KEY, _FIXED + _AVERAGED * several, f"{averaged}Nothing is trained again."]
    caption += _broken(outline for pair in pairs.values() for outline in pair)
    alone = [name for name in _names(by_dataset, "conversion") if name not in pairs]
    caption += [f"Left out, since the model did not run on the same data: {', '.join(alone)}."] if alone else []
    pen = {"the model": Pen("#444444", (0, (4, 2)), "s", 6.0), "its conversion": Pen("#0072B2", "-", "o", 5.0, 1.8)}
    sheet = Sheet(title, caption, pen, _small(len(pairs), 0.95))
    for place, (name, (outline, model)) in enumerate(pairs.items()):
        panel = sheet.panel(place, name)
        panel.frame(list(INITIALS), size=9)
        panel.area(outline, pen["its conversion"].colour)
        panel.outline(model, pen["the model"])
        panel.outline(outline, pen["its conversion"])
    return sheet


def _pairs(by_dataset: Outlines) -> dict[str, tuple[Outline, Outline]]:
    """Mean profiles of each conversion and of its model over the data sets on which both ran, by name."""
    made_of = {o.explainer: o.of or "" for group in by_dataset.values() for o in group if o.kind == "conversion"}
    pairs = {}
    for name, base in sorted(made_of.items()):
        groups = [{outline.explainer: outline for outline in group} for group in by_dataset.values()]
        both = [[group[name], group[base]] for group in groups if name in group and base in group]
        if both:
            outline, model = averages({str(place): pair for place, pair in enumerate(both)})
            pairs[name] = (outline, model)
    return pairs


def _large(panels: int) -> Grid:
    return Grid(panels, min(panels, 2), 5.1, above=2.2, below=1.55, radius=1.2, label=0.74, title=11)


def _small(panels: int, radius: float) -> Grid:
    return Grid(
        panels, min(panels, 4), 2 * radius + 0.6, above=radius + 0.72, below=radius + 0.2, radius=radius,
        label=0.45, title=10,
    )  # fmt: skip


def _names(by_dataset: Outlines, kind: str) -> list[str]:
    """Methods of one kind on any data set, in order of appearance."""
    return sorted({outline.explainer for group in by_dataset.values() for outline in group if outline.kind == kind})


def _broken(outlines: Iterable[Outline]) -> list[str]:
    """Says whose outline is broken, and where, if any is."""
    missing: dict[str, dict[str, None]] = {}
    for outline in outlines:
        missing.setdefault(outline.explainer, {}).update(dict.fromkeys(gaps(outline)))
    parts = [f"{name} ({', '.join(axes)})" for name, axes in sorted(missing.items()) if axes]
    return [f"Broken outline where a measure does not apply or was not taken: {'; '.join(parts)}."] if parts else []
