"""Does a recomputed cell agree with what was submitted? To the last bit with the same weights, else within tolerance.

The same code on the same kind of machine trains the same weights, and then every single value has to come out again.
Another processor rounds otherwise, training amplifies that, and the weights differ: then the means may differ by what
other weights were measured to change (`TOLERANCE`), and a score that was edited by less than that is not caught.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from benchmark.results import Result, Score, Scored
from leaderboard.consistency import machine
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
.013 and .033. For ghosting the spread between two seeds (.10) is larger, and taken.
"""

_OTHERS = 0.15
"""For a metric that is not named above: this share of its range, or of the value where it has no range."""


@dataclass(frozen=True)
class Agreement:
    """How a recomputed cell compares.

    Attributes:
        kind: ``"bit for bit"``: same weights, same values; ``"within tolerance"``: other weights.
        differences: Largest difference by metric: of a value, or of the mean where the weights differ.
        wrong: What does not agree: field, problem, remedy.
        notes: What a reader should know, e.g. that the source code differs.
    """

    kind: Literal["bit for bit", "within tolerance"]
    differences: Mapping[str, float]
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
    differences = {}
    for name in sorted({*submitted.scores, *recomputed.scores}):
        theirs, ours = submitted.scores.get(name), recomputed.scores.get(name)
        problem, difference = _score(name, theirs, ours, same=same)
        if problem:
            wrong.append((f"scores.{name}", problem, _ASK))
        if difference is not None:
            differences[name] = difference
    return Agreement(
        "bit for bit" if same else "within tolerance", differences, tuple(wrong), tuple(_notes(submitted, recomputed))
    )


_ASK = "Ask whoever submitted it how it was computed, or compute it again; do not accept it as it is."


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
        pairs = zip((*theirs.values, *_chance(theirs)), (*ours.values, *_chance(ours)), strict=True)
        gaps = [abs(a - b) for a, b in pairs]
        worst = max(gaps)
        text = f"{sum(gap > SAME for gap in gaps)} values differ, by up to {worst:.3g}, though the weights are the same"
        return (text if worst > SAME else None), worst
    means, limit = (fmean(theirs.values), fmean(ours.values)), tolerance(name, ours)
    text = f"has the mean {means[0]:.6g}, recomputed {means[1]:.6g}: more than {limit:.3g} apart"
    difference = abs(means[0] - means[1])
    return (text if difference > limit else None), difference


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
    if machine(submitted) == machine(recomputed) and _weights(submitted) != _weights(recomputed) and not changed:
        notes.append("other weights, although code and kind of machine are the same")
    return notes
