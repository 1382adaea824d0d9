"""What does a submission change of what is there already? Each changed score by name; other data, other black boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from statistics import fmean

from benchmark.results import Result, Scored
from leaderboard.consistency import contradictions
from leaderboard.submission.complaint import Complaint
from leaderboard.submission.completeness import Read

_RECOMPUTE = "Scores are written by `sembench run` and not edited: compute the cell again."
_KEEP = "Leave the file as it is in the base; a maintainer who means the change says --allow-changes."


def changed(submitted: Sequence[Read], base: Mapping[PurePosixPath, Result]) -> Iterator[Complaint]:
    """Results of the base that a submission alters or leaves out, one complaint per score."""
    there = dict(submitted)
    entries = {(result.suite, result.explainer) for result in there.values()}
    for path, old in base.items():
        new = there.get(path)
        if new is None:
            if (old.suite, old.explainer) in entries:
                yield Complaint(str(path), "the file", "stands in the base, and is not there any more", _KEEP)
        elif new != old:
            yield from _changed_scores(path, old, new)


def _changed_scores(path: PurePosixPath, old: Result, new: Result) -> Iterator[Complaint]:
    scores = False
    for name in sorted({*old.scores, *new.scores}):
        before, after = old.scores.get(name), new.scores.get(name)
        if before != after:
            scores = True
            yield Complaint(str(path), f"scores.{name}", _difference(before, after), _KEEP)
    if not scores:
        fields = [field for field in Result.model_fields if getattr(old, field) != getattr(new, field)]
        text = f"{', '.join(fields)} differ from the base, while every score is the same"
        yield Complaint(str(path), fields[0], text, _KEEP)


def _difference(before: object, after: object) -> str:
    if isinstance(before, Scored) and isinstance(after, Scored):
        if before.values == after.values:
            return "chance level, variants, details or meaning differ from the base; the values are the same"
        pairs = zip(before.values, after.values, strict=False)
        count = sum(a != b for a, b in pairs) + abs(len(before.values) - len(after.values))
        means = f"{fmean(before.values):.6g} in the base, {fmean(after.values):.6g} here"
        return f"changed: mean {means}; {count} of {len(after.values)} values differ"
    return f"changed: {_said(before)} in the base, {_said(after)} here"


def _said(score: object) -> str:
    return "missing" if score is None else str(getattr(score, "status", score))


def contradicting(submitted: Sequence[Read], base: Mapping[PurePosixPath, Result]) -> Iterator[Complaint]:
    """Results that must not stand on one board, within the submission or with the base's other results."""
    own = {path for path, _ in submitted}
    others = [(path, result) for path, result in base.items() if path not in own]
    for found in contradictions([*others, *submitted]):
        if found.path in own:
            yield Complaint(str(found.path), found.field, found.text, found.remedy)


def duplicates(submitted: Sequence[Read], base: Mapping[PurePosixPath, Result]) -> Iterator[Complaint]:
    """The same scores under two names or two seeds: one of the two was not measured."""
    own = dict(submitted)
    seen: dict[tuple[object, ...], PurePosixPath] = {}
    for path, result in [*((p, r) for p, r in base.items() if p not in own), *submitted]:
        series = tuple((n, s.values) for n, s in sorted(result.scores.items()) if isinstance(s, Scored))
        telling = sum(len(set(values)) > 2 for _, values in series)
        if telling < 2:  # a few zeros and ones may well agree
            continue
        first = seen.setdefault((result.suite, result.dataset, series), path)
        if first != path and path in own:
            text = f"every score is that of {first}"
            yield Complaint(str(path), "scores", text, "Compute the cell under its own name and seed, or leave it out.")


def taken(submitted: Sequence[Read], base: Mapping[PurePosixPath, Result]) -> Iterator[Complaint]:
    """Entries whose label differs from an accepted one in upper and lower case only."""
    known = {(result.suite, result.explainer.casefold()): result.explainer for result in base.values()}
    for path, result in submitted:
        other = known.get((result.suite, result.explainer.casefold()), result.explainer)
        if other != result.explainer:
            text = f"{result.explainer!r} differs from {other!r} of the base in upper and lower case only"
            yield Complaint(str(path), "explainer", text, "Give the entry another label.")


def other_black_boxes(submitted: Sequence[Read], base: Mapping[PurePosixPath, Result]) -> Iterator[Complaint]:
    """Accuracy minus gap is the black box's accuracy, by image: the same for every entry that is paired with it."""
    own = dict(submitted)
    known: dict[tuple[str, str], tuple[PurePosixPath, tuple[int, ...]]] = {}
    for path, result in [*((p, r) for p, r in base.items() if p not in own), *submitted]:
        told = result.provenance
        accuracy, gap = result.scores.get("accuracy"), result.scores.get("accuracy_gap")
        if not isinstance(accuracy, Scored) or not isinstance(gap, Scored):
            continue
        right = tuple(round(a - g / 100) for a, g in zip(accuracy.values, gap.values, strict=False))
        first, expected = known.setdefault((told.dataset_sha256, told.backbone_sha256), (path, right))
        if path in own and right != expected:
            index = next((i for i, (a, b) in enumerate(zip(right, expected, strict=False)) if a != b), 0)
            text = f"makes the black box other than {first} does, though both have the same weights"
            yield Complaint(str(path), f"scores.accuracy_gap.values.{index}", text, _RECOMPUTE)
