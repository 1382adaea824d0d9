"""Consistency of the numbers of one result. Many scores follow from others; an edited one seldom does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from sembench.results.result import Result
from sembench.results.score import Scored
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.submission.problem import Wrong

EXACT = 1e-9
ROUNDED = 1e-6
"""Curves are float32: the area under their mean is the mean of the areas up to this."""

_BINARY = ("accuracy", "accuracy_train", "ghosting")


def disagreements(result: Result) -> Iterator[Wrong]:
    """Numbers of a result that contradict each other."""
    scored = {name: score for name, score in result.scores.items() if isinstance(score, Scored)}
    for name, score in scored.items():
        yield from _alone(result, name, score)
        yield from _chance(result, name, score)
    yield from _prototypes(scored)
    yield from _gap(scored)
    yield from _areas(scored)
    if {"alignment_out", "alignment_class"} <= set(scored) and isinstance(scored["alignment_class"].chance, tuple):
        given, expected = scored["alignment_out"].values, scored["alignment_class"].chance
        yield from _differing("scores.alignment_out.values", given, expected, "alignment_class's chance")
    yield from _applicable_together(result)


def _alone(result: Result, name: str, score: Scored) -> Iterator[Wrong]:
    """A value for each image or prototype, 0 or 1 where it has to be; variants and curves as they were asked for."""
    sizes, per = result.provenance.dataset_sizes, score.measure.per
    images = {"test image": sizes.get("test"), "training image": sizes.get("train")}
    expected = len(result.explained_images) if per == "explained image" else images.get(per, len(score.values))
    for series, values in {"values": score.values, **score.variants}.items():
        field = f"scores.{name}.{series}"
        if len(values) != expected and (series == "values" or per != "prototype"):
            yield Wrong(field, f"holds {len(values)} values, one per {per} would be {expected}")
        odd = next((index for index, value in enumerate(values) if name in _BINARY and value not in (0, 1)), None)
        if odd is not None:
            yield Wrong(f"{field}.{odd}", f"is {values[odd]}, where every value is 0 or 1")
    if score.variants and not result.evaluation.get("variants"):
        yield Wrong(f"scores.{name}.variants", "are there, but the settings do not ask for variants")
    steps = result.evaluation.get("steps")
    for series, values in score.details.items():
        if name == "ro_auroc" and isinstance(steps, int) and len(values) != steps + 1:
            text = f"holds {len(values)} points, {steps} steps give {steps + 1}"
            yield Wrong(f"scores.{name}.details.{series}", text)


def _chance(result: Result, name: str, score: Scored) -> Iterator[Wrong]:
    """A chance level is there where the metric has one, and lies in the metric's range."""
    field, meaning = f"scores.{name}.chance", score.measure.chance_is
    if score.chance is None:
        if not meaning.startswith("none"):
            yield Wrong(field, f"is missing; it is {meaning}")
        return
    levels = score.chance if isinstance(score.chance, tuple) else (score.chance,)
    low, high = score.measure.lower, score.measure.upper
    for index, level in enumerate(levels):
        if (low is not None and level < low - ROUNDED) or (high is not None and level > high + ROUNDED):
            where = f"{field}.{index}" if isinstance(score.chance, tuple) else field
            yield Wrong(where, f"is {level}, outside of the metric's range from {low} to {high}")
            break
    share = 1 / max(result.provenance.classes, 1)
    if name in ("accuracy", "accuracy_train") and any(abs(level - share) > EXACT for level in levels):
        yield Wrong(field, f"is {levels[0]}, but guessing one of {result.provenance.classes} classes is {share}")


def _prototypes(scored: dict[str, Scored]) -> Iterator[Wrong]:
    """A model has as many prototypes for one metric as for another."""
    counts = {name: len(score.values) for name, score in scored.items() if score.measure.per == "prototype"}
    first = next(iter(counts), "")
    for name, count in counts.items():
        if count != counts[first]:
            yield Wrong(f"scores.{name}.values", f"holds {count} prototypes, {first} holds {counts[first]}")


def _gap(scored: dict[str, Scored]) -> Iterator[Wrong]:
    """Accuracy minus gap is the black box's accuracy on the image; so is the difference of their chance levels."""
    if not {"accuracy", "accuracy_gap"} <= set(scored):
        return
    accuracy, gap = scored["accuracy"], scored["accuracy_gap"]
    if isinstance(accuracy.chance, tuple) or not isinstance(gap.chance, tuple) or accuracy.chance is None:
        yield Wrong("scores.accuracy_gap.chance", "is not one number per image beside one number for accuracy")
        return
    for index, (right, points, chance) in enumerate(zip(accuracy.values, gap.values, gap.chance, strict=False)):
        black_box, by_chance = right - points / 100, accuracy.chance - chance / 100
        if abs(black_box - by_chance) > ROUNDED or min(abs(black_box), abs(black_box - 1)) > ROUNDED:
            text = f"is {points} where accuracy is {right}: the black box would have scored {black_box:g}"
            yield Wrong(f"scores.accuracy_gap.values.{index}", f"{text}, by chance level {by_chance:g}")
            return


def black_box_right(result: Result) -> tuple[int, ...] | None:
    """The black box's decisions, 1 where it is right, by image: accuracy minus gap; ``None`` without the two scores."""
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
            yield Wrong(f"scores.ro_auroc.details.{name}", "is missing, or a single point")
        elif abs(_area(curve) - fmean(series)) > ROUNDED:
            text = f"the area under it is {_area(curve):.6f}, the scores' mean is {fmean(series):.6f}"
            yield Wrong(f"scores.ro_auroc.details.{name}", text)
    if gain is not None and isinstance(auroc.chance, tuple):
        expected = [value - random for value, random in zip(auroc.values, auroc.chance, strict=True)]
        yield from _differing("scores.ro_auroc_gain.values", gain.values, expected, "ro_auroc minus its chance level")


def _differing(field: str, values: Sequence[float], expected: Sequence[float], what: str) -> Iterator[Wrong]:
    if len(values) != len(expected):
        yield Wrong(field, f"holds {len(values)} values, {what} holds {len(expected)}")
        return
    for index, (value, other) in enumerate(zip(values, expected, strict=True)):
        if abs(value - other) > EXACT:
            yield Wrong(f"{field}.{index}", f"is {value}, but {what} is {other}")
            return


def _applicable_together(result: Result) -> Iterator[Wrong]:
    """A metric that does not apply says why, and asks for more than those that do."""
    known = declared()
    needs = {
        name: asked
        for name, asked in known.requires.items()
        if name in result.scores and result.scores[name].measure.version == known.measures[name].version
    }
    offered = {
        need for name, score in result.scores.items() if isinstance(score, Scored) for need in needs.get(name, ())
    }
    for name, score in result.scores.items():
        if isinstance(score, Scored):
            continue
        if len(score.reason.split()) < 2:
            text = f"{score.reason!r} is no reason"
            yield Wrong(f"scores.{name}.reason", text, "Say in `lacks` why it does not apply.")
        if name in needs and offered.issuperset(needs[name]):
            asks = ", ".join(needs[name])
            why = f"{asks}, which other scores show to be there" if asks else "nothing of an explainer"
            yield Wrong(f"scores.{name}.status", f"is 'not applicable', but it asks for {why}")


def _area(curve: Sequence[float]) -> float:
    """Trapezoids over equal steps on [0, 1]."""
    return (sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1)
