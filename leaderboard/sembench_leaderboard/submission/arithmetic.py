"""Do the numbers of one result agree with each other? Many scores follow from others; an edited one seldom does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from sembench.results.result import NotApplicable, Result, Scored
from sembench_leaderboard.submission.declared import declared
from sembench_leaderboard.submission.strict_json import Wrong

EXACT = 1e-9
ROUNDED = 1e-6
"""Curves are float32: the area under their mean is the mean of the areas up to this."""

_BINARY = ("accuracy", "accuracy_train", "ghosting")
_RECOMPUTE = "Scores are written by `sembench run` and not edited: compute the cell again."


def disagreements(result: Result) -> Iterator[Wrong]:
    """Numbers of a result that contradict each other."""
    scored = {name: score for name, score in result.scores.items() if isinstance(score, Scored)}
    for name, score in scored.items():
        yield from _lengths(result, name, score)
        if name in _BINARY:
            for series, values in {"values": score.values, **score.variants}.items():
                odd = next((index for index, value in enumerate(values) if value not in (0, 1)), None)
                if odd is not None:
                    field = f"scores.{name}.{series}.{odd}"
                    yield field, f"is {values[odd]}, where every value is 0 or 1", _RECOMPUTE
        yield from _chance(result, name, score)
        yield from _series(result, name, score)
    yield from _prototypes(scored)
    yield from _gap(scored)
    yield from _areas(scored)
    yield from _same(scored, "alignment_out", "values", "alignment_class", "chance")
    yield from _applicable_together(result)


def _lengths(result: Result, name: str, score: Scored) -> Iterator[Wrong]:
    """As many values as there are images of that sort, and as many in every series."""
    sizes = result.provenance.dataset_sizes
    expected = {
        "test image": sizes.get("test"),
        "training image": sizes.get("train"),
        "explained image": len(result.explained_images),
    }.get(score.measure.per, len(score.values))
    for series, values in {"values": score.values, **score.variants}.items():
        if len(values) != expected and (series == "values" or score.measure.per != "prototype"):
            field = f"scores.{name}.{series}"
            yield field, f"holds {len(values)} values, one per {score.measure.per} would be {expected}", _RECOMPUTE


def _chance(result: Result, name: str, score: Scored) -> Iterator[Wrong]:
    """A chance level is there where the metric has one, and lies in the metric's range."""
    field, told = f"scores.{name}.chance", score.measure.chance_is
    if score.chance is None:
        if not told.startswith("none"):
            yield field, f"is missing; it is {told}", _RECOMPUTE
        return
    levels = score.chance if isinstance(score.chance, tuple) else (score.chance,)
    low, high = score.measure.lower, score.measure.upper
    for index, level in enumerate(levels):
        if (low is not None and level < low - ROUNDED) or (high is not None and level > high + ROUNDED):
            where = f"{field}.{index}" if isinstance(score.chance, tuple) else field
            yield where, f"is {level}, outside of the metric's range from {low} to {high}", _RECOMPUTE
            break
    share = 1 / max(result.provenance.classes, 1)
    if name in ("accuracy", "accuracy_train") and any(abs(level - share) > EXACT for level in levels):
        yield field, f"is {levels[0]}, but guessing one of {result.provenance.classes} classes is {share}", _RECOMPUTE


def _series(result: Result, name: str, score: Scored) -> Iterator[Wrong]:
    """Variants only where they were asked for, and curves of as many points as were asked for."""
    if score.variants and not result.evaluation.get("variants"):
        yield f"scores.{name}.variants", "are there, but the settings do not ask for variants", _RECOMPUTE
    steps = result.evaluation.get("steps")
    if name == "ro_auroc" and isinstance(steps, int):
        for series, values in score.details.items():
            if len(values) != steps + 1:
                text = f"holds {len(values)} points, {steps} steps give {steps + 1}"
                yield f"scores.{name}.details.{series}", text, _RECOMPUTE


def _prototypes(scored: dict[str, Scored]) -> Iterator[Wrong]:
    """A model has as many prototypes for one metric as for another."""
    counts = {name: len(score.values) for name, score in scored.items() if score.measure.per == "prototype"}
    first = next(iter(counts), "")
    for name, count in counts.items():
        if count != counts[first]:
            yield f"scores.{name}.values", f"holds {count} prototypes, {first} holds {counts[first]}", _RECOMPUTE


def _gap(scored: dict[str, Scored]) -> Iterator[Wrong]:
    """Accuracy minus gap is the black box's accuracy on the image; so is the difference of their chance levels."""
    if not {"accuracy", "accuracy_gap"} <= set(scored):
        return
    accuracy, gap = scored["accuracy"], scored["accuracy_gap"]
    if isinstance(accuracy.chance, tuple) or not isinstance(gap.chance, tuple) or accuracy.chance is None:
        yield "scores.accuracy_gap.chance", "is not one number per image beside one number for accuracy", _RECOMPUTE
        return
    for index, (right, points, chance) in enumerate(zip(accuracy.values, gap.values, gap.chance, strict=False)):
        black_box, by_chance = right - points / 100, accuracy.chance - chance / 100
        if abs(black_box - by_chance) > ROUNDED or min(abs(black_box), abs(black_box - 1)) > ROUNDED:
            text = f"is {points} where accuracy is {right}: the black box would have scored {black_box:g}"
            yield f"scores.accuracy_gap.values.{index}", f"{text}, by chance level {by_chance:g}", _RECOMPUTE
            return


def black_box_right(result: Result) -> tuple[int, ...] | None:
    """On which images is the black box right? Accuracy minus gap, 0 or 1 by image; ``None`` without the two scores."""
    accuracy, gap = result.scores.get("accuracy"), result.scores.get("accuracy_gap")
    if not isinstance(accuracy, Scored) or not isinstance(gap, Scored):
        return None
    return tuple(round(a - g / 100) for a, g in zip(accuracy.values, gap.values, strict=False))


def _areas(scored: dict[str, Scored]) -> Iterator[Wrong]:
    """RO-AUROC is the area under the curve that stands beside it, and its gain the area between the two curves."""
    auroc, gain = scored.get("ro_auroc"), scored.get("ro_auroc_gain")
    if auroc is None:
        return
    for name, series in {"curve": auroc.values, "random curve": auroc.chance}.items():
        curve = auroc.details.get(name)
        if curve is None or len(curve) < 2 or not isinstance(series, tuple):
            yield f"scores.ro_auroc.details.{name}", "is missing, or a single point", _RECOMPUTE
        elif abs(_area(curve) - fmean(series)) > ROUNDED:
            text = f"the area under it is {_area(curve):.6f}, the scores' mean is {fmean(series):.6f}"
            yield f"scores.ro_auroc.details.{name}", text, _RECOMPUTE
    if gain is not None and isinstance(auroc.chance, tuple):
        expected = [value - random for value, random in zip(auroc.values, auroc.chance, strict=True)]
        yield from _differing("scores.ro_auroc_gain.values", gain.values, expected, "ro_auroc minus its chance level")


def _same(scored: dict[str, Scored], first: str, part: str, second: str, other: str) -> Iterator[Wrong]:
    """Two series that are one and the same number, given twice."""
    if first in scored and second in scored:
        values, expected = getattr(scored[first], part), getattr(scored[second], other)
        if isinstance(expected, tuple):
            yield from _differing(f"scores.{first}.{part}", values, expected, f"{second}'s {other}")


def _differing(field: str, values: Sequence[float], expected: Sequence[float], what: str) -> Iterator[Wrong]:
    if len(values) != len(expected):
        yield field, f"holds {len(values)} values, {what} holds {len(expected)}", _RECOMPUTE
        return
    for index, (value, other) in enumerate(zip(values, expected, strict=True)):
        if abs(value - other) > EXACT:
            yield f"{field}.{index}", f"is {value}, but {what} is {other}", _RECOMPUTE
            return


def _applicable_together(result: Result) -> Iterator[Wrong]:
    """A metric that does not apply says why, and asks for more than those that do."""
    needs = declared().requires
    offered = {
        need for name, score in result.scores.items() if isinstance(score, Scored) for need in needs.get(name, ())
    }
    for name, score in result.scores.items():
        if isinstance(score, NotApplicable) and len(score.reason.split()) < 2:
            yield f"scores.{name}.reason", f"{score.reason!r} is no reason", "Say in `lacks` why it does not apply."
        if isinstance(score, NotApplicable) and name in needs and offered.issuperset(needs[name]):
            asks = ", ".join(needs[name]) or "nothing of an explainer"
            text = f"is 'not applicable', but it asks for {asks}, which other scores show to be there"
            yield (
                f"scores.{name}.status",
                text if needs[name] else f"is 'not applicable', but it asks for {asks}",
                _RECOMPUTE,
            )


def _area(curve: Sequence[float]) -> float:
    """Trapezoids over equal steps on [0, 1]."""
    return (sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1)
