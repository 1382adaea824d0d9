"""Does a recomputed cell agree with what was submitted? To the last bit with the same weights, else within tolerance.

The same code on the same kind of machine trains the same weights, and then every single value has to come out again.
Another processor, or another number of threads, rounds otherwise, training amplifies that, and the weights differ: then
the means may differ by what other weights were measured to change (`TOLERANCE`), and a score that was edited by less
than that is not caught. What is counted (images through the network, parameters) has to be the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from benchmark.results import Result, Score, Scored
from leaderboard.consistency import MACHINE, machine
from leaderboard.submission.strict_json import Wrong

SAME = 1e-9
"""Largest difference of a value where the weights are the same: numbers in JSON are exact, and so is the CPU."""

TOLERANCE: Mapping[str, float] = {
    "accuracy": 0.04,
    "accuracy_train": 0.02,
    "accuracy_gap": 4.0,
    "ghosting": 0.10,
    "lrp_kl": 0.13,
    "ro_auroc": 0.21,
    "ro_auroc_gain": 0.15,
    "diversity": 0.04,
    "alignment_class": 0.04,
    "alignment_out": 0.07,
}
"""Largest difference of a metric's mean where the weights differ, in the metric's unit.

About twice the largest that was measured: 16 cells of the suite ``quick`` (14 entries with seed 0, two with seed 1),
computed once with AVX-512 kernels and once without vector instructions (``ATEN_CPU_CAPABILITY=default``,
``ONEDNN_MAX_CPU_ISA=SSE41``) on one thread in place of two. No weights were the same. Largest differences: accuracy
.019, of training .003, gap 1.7 points, ghosting .02, LRP-KL .064, RO-AUROC .104, its gain .070, diversity .016, cosines
.013 and .033. For ghosting the spread between two seeds (.10) is larger, and taken. Nine cells with one thread in place
of two, on one processor: LRP-KL .077, gain .047, RO-AUROC .032, gap .8 points, ghosting .04; means of chance levels
LRP-KL .071, RO-AUROC .029, so that these are held to the same tolerances.
"""

_COUNTS = ("fit_passes", "fit_images", "explain_images", "parameters", "own_parameters", "hyperparameters")
_BY_BATCH = ("evaluation_passes", "evaluation_images")

_OTHERS = 0.15
"""For a metric that is not named above: this share of its range, or of the value where it has no range."""


@dataclass(frozen=True)
class Agreement:
    """How a recomputed cell compares.

    Attributes:
        kind: ``"bit for bit"``: same weights, same values; ``"within tolerance"``: other weights.
        differences: Largest difference by metric: of a value, or of the mean where the weights differ.
        limits: How large each of them may be.
        wrong: What does not agree: field, problem, remedy.
        notes: What a reader should know, e.g. that the source code differs.
    """

    kind: Literal["bit for bit", "within tolerance"]
    differences: Mapping[str, float]
    limits: Mapping[str, float]
    wrong: tuple[Wrong, ...]
    notes: tuple[str, ...]


def compare(submitted: Result, recomputed: Result) -> Agreement:
    """Compares a submitted result with its cell, computed again."""
    same = _weights(submitted) == _weights(recomputed)
    wrong: list[Wrong] = []
    for field in ("hyperparameters", "explained_images", "kind"):
        theirs, ours = getattr(submitted, field), getattr(recomputed, field)
        if theirs != ours:
            wrong.append((field, "is not what a recomputation gives", _ASK))
    if submitted.provenance.dataset_sha256 != recomputed.provenance.dataset_sha256:
        wrong.append(("provenance.dataset_sha256", "is not the hash of the data here", _ASK))
    wrong += _counts(submitted, recomputed)
    differences, limits = {}, {}
    for name in sorted({*submitted.scores, *recomputed.scores}):
        theirs, ours = submitted.scores.get(name), recomputed.scores.get(name)
        problem, difference = _score(name, theirs, ours, same=same)
        if problem:
            wrong.append((f"scores.{name}", problem, _ASK))
        if difference is not None and isinstance(ours, Scored):
            differences[name], limits[name] = difference, SAME if same else tolerance(name, ours)
    kind: Literal["bit for bit", "within tolerance"] = "bit for bit" if same else "within tolerance"
    return Agreement(kind, differences, limits, tuple(wrong), tuple(_notes(submitted, recomputed)))


_ASK = "Ask whoever submitted it how it was computed, or compute it again; do not accept it as it is."


def _counts(submitted: Result, recomputed: Result) -> Iterator[Wrong]:
    """Costs that are counted, not timed: no rounding changes them."""
    batches = submitted.provenance.batch_size == recomputed.provenance.batch_size
    for name in (*_COUNTS, *(_BY_BATCH if batches else ())):
        theirs, ours = getattr(submitted.cost, name), getattr(recomputed.cost, name)
        if theirs != ours:
            yield f"cost.{name}", f"is {theirs}, recomputed it is {ours}", _ASK


def _weights(result: Result) -> tuple[str, str]:
    return result.provenance.backbone_sha256, result.provenance.model_sha256


def _score(name: str, theirs: Score | None, ours: Score | None, *, same: bool) -> tuple[str | None, float | None]:
    """What does not agree, and by how much the two differ."""
    if not isinstance(theirs, Scored) or not isinstance(ours, Scored):
        said = [getattr(score, "status", "missing") for score in (theirs, ours)]
        return (f"is {said[0]}, recomputed it is {said[1]}" if said[0] != said[1] else None), None
    if len(theirs.values) != len(ours.values):
        return f"holds {len(theirs.values)} values, recomputed {len(ours.values)}", None
    if same:
        mine, given = _series(ours), _series(theirs)
        other = sorted(name for name in {*mine, *given} if len(mine.get(name, ())) != len(given.get(name, ())))
        if other:
            return f"holds other series, or series of other lengths: {', '.join(other)}", None
        gaps = [abs(a - b) for name in mine for a, b in zip(mine[name], given[name], strict=True)]
        worst = max(gaps)
        text = f"{sum(gap > SAME for gap in gaps)} values differ, by up to {worst:.3g}, though the weights are the same"
        return (text if worst > SAME else None), worst
    limit, worst = tolerance(name, ours), 0.0
    for what, (a, b) in {
        "mean": (theirs.values, ours.values),
        "mean chance level": (_chance(theirs), _chance(ours)),
    }.items():
        if bool(a) != bool(b):
            return f"has {'a' if a else 'no'} {what}, recomputed it has {'one' if b else 'none'}", None
        difference = abs(fmean(a) - fmean(b)) if a else 0.0
        worst = max(worst, difference)
        if difference > limit:
            return f"has the {what} {fmean(a):.6g}, recomputed {fmean(b):.6g}: more than {limit:.3g} apart", worst
    return None, worst


def _series(score: Scored) -> dict[str, tuple[float, ...]]:
    """Every series of numbers that a score holds, by name."""
    others = {f"variant {name}": values for name, values in score.variants.items()}
    others |= {f"details {name}": values for name, values in score.details.items()}
    return {"values": score.values, "chance": _chance(score), **others}


def _chance(score: Scored) -> tuple[float, ...]:
    return score.chance if isinstance(score.chance, tuple) else () if score.chance is None else (score.chance,)


def tolerance(metric: str, score: Scored) -> float:
    """How far apart the means of a metric may be where the weights differ."""
    if metric in TOLERANCE:
        return TOLERANCE[metric]
    low, high = score.measure.lower, score.measure.upper
    return _OTHERS * (abs(fmean(score.values)) if low is None or high is None else high - low)


def _notes(submitted: Result, recomputed: Result) -> list[str]:
    theirs, ours = submitted.provenance, recomputed.provenance
    notes = []
    differing = (part for part in ours.sources if theirs.sources.get(part) != ours.sources[part])
    changed = sorted({part.partition(" ")[0] for part in differing})
    if changed:
        notes.append(f"computed by other source code than is here: {', '.join(changed)}")
    if _weights(submitted) == _weights(recomputed):
        return notes
    there, here = machine(submitted), machine(recomputed)
    differ = [f"{name} {b} here, {a} there" for name, a, b in zip(MACHINE, there, here, strict=True) if a != b]
    if not differ and not changed:
        notes.append("other weights, although code and kind of machine are the same")
    elif differ:
        notes.append(f"other weights: {'; '.join(differ)}")
    notes.append("only means are compared: an edit smaller than a metric's tolerance is not seen")
    return notes
