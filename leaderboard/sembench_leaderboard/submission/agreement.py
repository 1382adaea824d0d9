"""Agreement of a recomputed run with its submission: to the last bit with the same weights, else within tolerance.

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

from sembench.results.result import Result
from sembench.results.score import Score, Scored
from sembench_leaderboard.entries.consistency import MACHINE, machine
from sembench_leaderboard.submission.arithmetic import black_box_right
from sembench_leaderboard.submission.problem import Wrong

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

About twice the largest that was measured: 16 runs of the suite ``quick`` (14 entries with seed 0, two with seed 1),
computed once with AVX-512 kernels and once without vector instructions (``ATEN_CPU_CAPABILITY=default``,
``ONEDNN_MAX_CPU_ISA=SSE41``) on one thread in place of two. No weights were the same. Largest differences: accuracy
.019, of training .003, gap 1.7 points, ghosting .02, LRP-KL .064, RO-AUROC .104, its gain .070, diversity .016, cosines
.013 and .033. For ghosting the spread between two seeds (.10) is larger, and taken. Nine runs with one thread in place
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

_ASK = "Ask its author how it was computed, or compute it again; do not accept it as it is."
_ASK_KERNELS = (
    "Do not accept it as it is, and ask its author how it was computed; "
    "only a processor of the same name with other instructions (`lscpu`) explains this."
)


@dataclass(frozen=True)
class Agreement:
    """Comparison of a result with its run, computed again.

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
    """Compares a submitted result with its run, computed again."""
    same = _weights(submitted) == _weights(recomputed)
    wrong = list(_facts(submitted, recomputed))
    differences, limits = {}, {}
    for name in sorted({*submitted.scores, *recomputed.scores}):
        theirs, ours = submitted.scores.get(name), recomputed.scores.get(name)
        problem, difference = _score(name, theirs, ours, same=same)
        if problem:
            wrong.append(Wrong(f"scores.{name}", problem, _ASK))
        if difference is not None and isinstance(ours, Scored):
            differences[name], limits[name] = difference, SAME if same else tolerance(name, ours)
    kind: Literal["bit for bit", "within tolerance"] = "bit for bit" if same else "within tolerance"
    return Agreement(kind, differences, limits, tuple(wrong), tuple(_notes(submitted, recomputed)))


def _facts(submitted: Result, recomputed: Result) -> Iterator[Wrong]:
    """Disagreements beside the scores: settings, data, weights, the black box, and costs that are counted."""
    theirs, ours = submitted.provenance, recomputed.provenance
    for field in ("hyperparameters", "explained_images", "kind"):
        if getattr(submitted, field) != getattr(recomputed, field):
            yield Wrong(field, "is not what a recomputation gives", _ASK)
    if theirs.dataset_sha256 != ours.dataset_sha256:
        yield Wrong("provenance.dataset_sha256", "is not the hash of the data here", _ASK)
    for field in () if _elsewhere(submitted, recomputed) else ("backbone_sha256", "model_sha256"):
        excepted = field == "model_sha256" and _DETERMINISM in ours.exceptions
        if getattr(theirs, field) != getattr(ours, field) and not excepted:
            text = "is not the hash of the weights here, although code, libraries and kind of machine are the same"
            yield Wrong(f"provenance.{field}", text, _ASK_KERNELS)
    if theirs.backbone_sha256 == ours.backbone_sha256:
        right, expected = black_box_right(submitted) or (), black_box_right(recomputed) or ()
        if count := sum(a != b for a, b in zip(right, expected, strict=False)):
            text = f"makes the black box right or wrong on {count} other images, though its weights are the same"
            yield Wrong("scores.accuracy_gap", text, _ASK)
    for name in (*_COUNTS, *(_BY_BATCH if theirs.batch_size == ours.batch_size else ())):
        claimed, counted = getattr(submitted.cost, name), getattr(recomputed.cost, name)
        if claimed != counted:
            yield Wrong(f"cost.{name}", f"is {claimed}, recomputed it is {counted}", _ASK)


def _weights(result: Result) -> tuple[str, str]:
    return result.provenance.backbone_sha256, result.provenance.model_sha256


def _score(name: str, theirs: Score | None, ours: Score | None, *, same: bool) -> tuple[str | None, float | None]:
    """The disagreement of two scores, if any, and the largest difference between them, if they can be compared."""
    if not isinstance(theirs, Scored) or not isinstance(ours, Scored):
        said = [getattr(score, "status", "missing") for score in (theirs, ours)]
        return (f"is {said[0]}, recomputed it is {said[1]}" if said[0] != said[1] else None), None
    if theirs.measure.version != ours.measure.version:
        both = f"{theirs.measure.version}, recomputed version {ours.measure.version}"
        return f"is of version {both}: the two cannot be compared", None
    if theirs.note != ours.note:
        return f"says {theirs.note!r}, recomputed {ours.note!r}", None
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
    for name in filter(mine.get, mine):
        a, b = fmean(given[name]), fmean(mine[name])
        worst = max(worst, abs(a - b))
        if abs(a - b) > limit:
            what = {"values": "mean", "chance level": "mean chance level"}.get(name, f"mean of {name}")
            return f"has the {what} {a:.6g}, recomputed {b:.6g}: more than {limit:.3g} apart", worst
    return None, worst


def _series(score: Scored, *, details: bool) -> dict[str, tuple[float, ...]]:
    """Every series of numbers that a score holds, by name."""
    chance = score.chance if isinstance(score.chance, tuple) else () if score.chance is None else (score.chance,)
    others = {f"level {name}": values for name, values in score.levels.items()}
    others |= {f"variant {name}": values for name, values in score.variants.items()}
    if details:
        others |= {f"details {name}": values for name, values in score.details.items()}
    return {"values": score.values, "chance level": chance, **others}


def tolerance(metric: str, score: Scored) -> float:
    """Largest difference of a metric's means where the weights differ."""
    if metric in TOLERANCE:
        return TOLERANCE[metric]
    low, high = score.measure.lower, score.measure.upper
    return _OTHERS * (abs(fmean(score.values)) if low is None or high is None else high - low)


def _notes(submitted: Result, recomputed: Result) -> list[str]:
    theirs, ours = submitted.provenance, recomputed.provenance
    notes = []
    differing = {part.partition(" ")[0] for part in ours.sources if theirs.sources.get(part) != ours.sources[part]}
    if differing:
        notes.append(f"computed by other source code than is here: {', '.join(sorted(differing))}")
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
    """Differences of machine, libraries and code; where there is none, the same weights have to come out."""
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
