"""What does a submission change of what is there already? Each changed score by name; other data, other black boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import fmean

from sembench.errors import SembenchError
from sembench.results.result import Result, Scored
from sembench_leaderboard.entries.consistency import contradictions
from sembench_leaderboard.submission.arithmetic import black_box_right
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.completeness import Read
from sembench_leaderboard.submission.files import WHOLE, Found, read_bytes, survey
from sembench_leaderboard.submission.manifest import manifest_path

_RECOMPUTE = "Scores are written by `sembench run` and not edited: compute the cell again."
KEEP = "Leave the file as it is in the base; a maintainer who means the change says --allow-changes."


def changed(submitted: Sequence[Read], base: Mapping[PurePosixPath, Result]) -> Iterator[Complaint]:
    """Results of the base that a submission alters, one complaint per score."""
    for path, new in submitted:
        old = base.get(path)
        if old is not None and new != old:
            yield from _changed_scores(path, old, new)


def dropped(submitted: Sequence[Found], base: Sequence[Found], *, whole: bool) -> Iterator[Complaint]:
    """Results, manifests and marks of the base that a submission leaves out.

    Args:
        submitted: What lies in the folder that was submitted.
        base: What lies in the base.
        whole: Nothing of the base may be missing; otherwise nothing of an entry that has a file in the submission.
    """
    there = {file.path for file in submitted}
    entries = {(file.suite, file.entry) for file in submitted}
    for file in base:
        if file.path not in there and (whole or (file.suite, file.entry) in entries):
            text = f"stands in the base ({_ROLES[file.role]}), and is not there any more"
            yield Complaint(str(file.path), WHOLE, text, KEEP)


_ROLES = {"result": "a result", "manifest": "a manifest", "verified": "a mark of verification"}


def _changed_scores(path: PurePosixPath, old: Result, new: Result) -> Iterator[Complaint]:
    scores = False
    for name in sorted({*old.scores, *new.scores}):
        before, after = old.scores.get(name), new.scores.get(name)
        if before != after:
            scores = True
            yield Complaint(str(path), f"scores.{name}", _difference(before, after), KEEP)
    if not scores:
        fields = [field for field in Result.model_fields if getattr(old, field) != getattr(new, field)]
        text = f"{', '.join(fields)} differ from the base, while every score is the same"
        yield Complaint(str(path), fields[0], text, KEEP)


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


def without_manifest(
    submitted: Sequence[Read], files: Sequence[Found], base: Mapping[PurePosixPath, Result]
) -> Iterator[Complaint]:
    """Entries that the base does not hold, and that bring no manifest."""
    there = {file.path for file in files}
    settled = {(result.suite, result.explainer) for result in base.values()}
    for suite, entry in sorted({(result.suite, result.explainer) for _, result in submitted} - settled):
        path = manifest_path(suite, entry)
        if path not in there:
            text = "is missing: a new entry says what was submitted"
            yield Complaint(str(path), WHOLE, text, "Pack it with `sembench submit`.")


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
        told, right = result.provenance, black_box_right(result)
        if right is None:
            continue
        first, expected = known.setdefault((told.dataset_sha256, told.backbone_sha256), (path, right))
        if path in own and right != expected:
            index = next((i for i, (a, b) in enumerate(zip(right, expected, strict=False)) if a != b), 0)
            text = f"makes the black box other than {first} does, though both have the same weights"
            yield Complaint(str(path), f"scores.accuracy_gap.values.{index}", text, _RECOMPUTE)


@dataclass(frozen=True)
class Accepted:
    """The files of a base.

    Attributes:
        files: All of them.
        results: The results, by path.
        beside: Content of manifests and marks, by path.
    """

    files: tuple[Found, ...]
    results: Mapping[PurePosixPath, Result]
    beside: Mapping[PurePosixPath, bytes]


NOTHING = Accepted((), {}, {})


def accepted(base: Path) -> Accepted:
    """Reads a base. It was accepted once: only that all of it can be read is asked of it.

    Raises:
        SembenchError: If some of it cannot be read, so that a change of it would not be seen.
    """
    files, complaints = survey(base)
    for complaint in complaints:
        if complaint.file == "." or complaint.field == WHOLE:
            raise SembenchError(f"the base cannot be read: {complaint}")
    results, beside = {}, {}
    for file in files:
        try:
            data = read_bytes(base, file.path)
            if file.role == "result":
                results[file.path] = Result.model_validate_json(data)
            else:
                beside[file.path] = data
        except (OSError, ValueError) as error:
            raise SembenchError(f"the base's {file.path} cannot be read: {error}. Restore the base first.") from error
    return Accepted(tuple(files), results, beside)
