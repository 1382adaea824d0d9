"""Does a recomputed cell agree with what was submitted? To the last bit with the same weights, else within tolerance.

The same code on the same kind of machine trains the same weights: other weights do not agree there, and every single
value has to come out again. Another processor, or another number of threads, rounds otherwise, training amplifies that,
and the weights differ: then the means may differ by what other weights were measured to change (`TOLERANCE`), and a
score that was edited by less than that is not caught. What is counted (images through the network, parameters), and the
images on which a black box of the same weights is right, have to be the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from sembench.results.result import Result, Score, Scored
from sembench_leaderboard.entries.consistency import MACHINE, machine
from sembench_leaderboard.submission.arithmetic import black_box_right
from sembench_leaderboard.submission.strict_json import Wrong

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
LRP-KL .071, RO-AUROC .029, so that these are held to the same tolerances. So are variants: over the seeds of an entry,
nine in ten of the committed ones vary by less than ghosting .04, LRP-KL .09 and diversity .015. Details are not
compared where the weights differ: a metric may keep there what has another unit.
"""

_COUNTS = ("fit_passes", "fit_images", "explain_images", "parameters", "own_parameters", "hyperparameters")
_BY_BATCH = ("evaluation_passes", "evaluation_images")

_DETERMINISM = "determinism"
"""The promise of `sembench.testing` that one seed gives one model; a recipe may declare that it cannot keep it."""

_OTHERS = 0.15
"""For a metric that is not named above: this share of its range, or of the value where it has no range."""


@dataclass(frozen=True)
class Agreement:
    """How a recomputed cell compares.

    Attributes:
        kind: ``"bit for bit"`` where the weights are the same, ``"within tolerance"`` where they are not.
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
    wrong += _weights_wrong(submitted, recomputed)
    wrong += _black_box(submitted, recomputed)
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


_ASK_KERNELS = (
    "Do not accept it as it is, and ask whoever submitted it how it was computed; "
    "only a processor of the same name with other instructions (`lscpu`) explains this."
)


def _weights_wrong(submitted: Result, recomputed: Result) -> Iterator[Wrong]:
    """Weights that did not come out again although nothing says why."""
    if _elsewhere(submitted, recomputed):
        return
    theirs, ours = submitted.provenance, recomputed.provenance
    for field in ("backbone_sha256", "model_sha256"):
        excepted = field == "model_sha256" and _DETERMINISM in ours.exceptions
        if getattr(theirs, field) != getattr(ours, field) and not excepted:
            text = "is not the hash of the weights here, although code, libraries and kind of machine are the same"
            yield f"provenance.{field}", text, _ASK_KERNELS


def _black_box(submitted: Result, recomputed: Result) -> Iterator[Wrong]:
    """What belongs to the black box alone is the same where its weights are, whatever the explainer's are."""
    if submitted.provenance.backbone_sha256 != recomputed.provenance.backbone_sha256:
        return
    theirs, ours = black_box_right(submitted), black_box_right(recomputed)
    if theirs is not None and ours is not None and len(theirs) == len(ours) and theirs != ours:
        count = sum(a != b for a, b in zip(theirs, ours, strict=True))
        text = f"makes the black box right or wrong on {count} other images, though its weights are the same"
        yield "scores.accuracy_gap", text, _ASK


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
    mine, given = _series(ours, details=same), _series(theirs, details=same)
    other = sorted(name for name in {*mine, *given} if len(mine.get(name, ())) != len(given.get(name, ())))
    if other:
        return f"holds other series, or series of other lengths: {', '.join(other)}", None
    if same:
        gaps = [abs(a - b) for name in mine for a, b in zip(mine[name], given[name], strict=True)]
        worst = max(gaps)
        text = f"{sum(gap > SAME for gap in gaps)} values differ, by up to {worst:.3g}, though the weights are the same"
        return (text if worst > SAME else None), worst
    limit, worst = tolerance(name, ours), 0.0
    for name in mine:
        if not mine[name]:
            continue
        a, b = fmean(given[name]), fmean(mine[name])
        worst = max(worst, abs(a - b))
        if abs(a - b) > limit:
            what = {"values": "mean", "chance level": "mean chance level"}.get(name, f"mean of {name}")
            return f"has the {what} {a:.6g}, recomputed {b:.6g}: more than {limit:.3g} apart", worst
    return None, worst


def _series(score: Scored, *, details: bool) -> dict[str, tuple[float, ...]]:
    """Every series of numbers that a score holds, by name."""
    others = {f"variant {name}": values for name, values in score.variants.items()}
    if details:
        others |= {f"details {name}": values for name, values in score.details.items()}
    return {"values": score.values, "chance level": _chance(score), **others}


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
    why = _elsewhere(submitted, recomputed)
    if _DETERMINISM in ours.exceptions:
        why.append(f"one seed does not give one model ({ours.exceptions[_DETERMINISM]})")
    if why:
        notes.append(f"other weights: {'; '.join(why)}")
    notes.append("only means are compared: an edit smaller than a metric's tolerance is not seen")
    return notes


def _elsewhere(submitted: Result, recomputed: Result) -> list[str]:
    """What was other where the weights were trained; where nothing was, the same weights have to come out."""
    theirs, ours = submitted.provenance, recomputed.provenance
    there, here = machine(submitted), machine(recomputed)
    why = [f"{name} {b} here, {a} there" for name, a, b in zip(MACHINE, there, here, strict=True) if a != b]
    for package, version in ours.packages.items():
        if package not in MACHINE and theirs.packages.get(package) != version:
            why.append(f"{package} {version} here, {theirs.packages.get(package, 'no version')} there")
    trained = ("instrument", "explainer", "dataset", "backbone")
    if any(theirs.sources.get(part) != ours.sources.get(part) for part in trained):
        why.append("other source code")
    if not ours.deterministic:
        why.append(f"{ours.device} does not give the same twice")
    return why
