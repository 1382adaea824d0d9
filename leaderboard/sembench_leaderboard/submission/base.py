"""Comparison with results that were accepted before: changed scores, other data, other black boxes, taken names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from statistics import fmean

from sembench.errors import SembenchError
from sembench.results.result import Result
from sembench.results.score import Scored
from sembench_leaderboard.entries.consistency import contradictions
from sembench_leaderboard.submission.arithmetic import black_box_right
from sembench_leaderboard.submission.files import File, survey
from sembench_leaderboard.submission.problem import RERUN, WHOLE, Problem, Results
from sembench_leaderboard.submission.records import MANIFESTS, record_path

KEEP = "Leave the file as it is in the base; a maintainer who means the change says --allow-changes."
_ROLES = {"result": "a result", "manifest": "a manifest", "verified": "a mark of verification"}


def accepted(base: Path) -> list[File]:
    """Reads a base. It was accepted once, so it only has to be readable, its results included.

    Raises:
        SembenchError: If some of it cannot be read, so that a change of it would not be seen.
    """
    files, problems = survey(base, accepted=True)
    results = {str(file.path) for file in files if file.role == "result"}
    for problem in problems:
        if problem.file == "." or problem.field == WHOLE or problem.file in results:
            raise SembenchError(f"the base cannot be read: {problem} Restore the base first.")
    return files


def changed(submitted: Results, base: Results) -> Iterator[Problem]:
    """Results of the base that a submission alters, one problem per score."""
    for path, new in submitted.items():
        old = base.get(path, new)
        names = [name for name in sorted({*old.scores, *new.scores}) if old.scores.get(name) != new.scores.get(name)]
        for name in names:
            yield Problem(str(path), f"scores.{name}", _difference(old.scores.get(name), new.scores.get(name)), KEEP)
        if not names and new != old:
            fields = [field for field in Result.model_fields if getattr(old, field) != getattr(new, field)]
            text = f"{', '.join(fields)} differ from the base, while every score is the same"
            yield Problem(str(path), fields[0], text, KEEP)


def dropped(submitted: Sequence[File], base: Sequence[File], *, whole: bool) -> Iterator[Problem]:
    """Results, manifests and marks of the base that a submission leaves out.

    If it is the ``whole`` board, nothing may be missing; otherwise nothing of an entry that has a file in it.
    """
    there = {file.path for file in submitted}
    entries = {file.entry for file in submitted}
    for file in base:
        if file.path not in there and (whole or file.entry in entries):
            text = f"stands in the base ({_ROLES[file.role]}), and is not there any more"
            yield Problem(str(file.path), WHOLE, text, KEEP)


def _difference(before: object, after: object) -> str:
    if isinstance(before, Scored) and isinstance(after, Scored):
        if before.values == after.values:
            return "levels, variants, details, note or meaning differ from the base; the values are the same"
        pairs = zip(before.values, after.values, strict=False)
        count = sum(a != b for a, b in pairs) + abs(len(before.values) - len(after.values))
        means = f"{fmean(before.values):.6g} in the base, {fmean(after.values):.6g} here"
        return f"changed: mean {means}; {count} of {len(after.values)} values differ"
    said = [getattr(score, "status", "missing") for score in (before, after)]
    return f"changed: {said[0]} in the base, {said[1]} here"


def without_manifest(submitted: Results, files: Sequence[File], base: Results) -> Iterator[Problem]:
    """Entries that the base does not hold, and that bring no manifest."""
    there = {file.path for file in files}
    settled = {(result.suite, result.explainer) for result in base.values()}
    for suite, entry in sorted({(result.suite, result.explainer) for result in submitted.values()} - settled):
        path = record_path(MANIFESTS, suite, entry)
        if path not in there:
            text = "is missing: a new entry says what was submitted"
            yield Problem(str(path), WHOLE, text, "Pack it with `sembench submit`.")


def taken(submitted: Results, base: Results) -> Iterator[Problem]:
    """Entries whose label differs from an accepted one in upper and lower case only."""
    known = {(result.suite, result.explainer.casefold()): result.explainer for result in base.values()}
    for path, result in submitted.items():
        other = known.get((result.suite, result.explainer.casefold()), result.explainer)
        if other != result.explainer:
            text = f"{result.explainer!r} differs from {other!r} of the base in upper and lower case only"
            yield Problem(str(path), "explainer", text, "Give the entry another label.")


# The following compare a submission with itself as well: `together` are the base's other results, then the submitted.


def contradicting(submitted: Collection[PurePosixPath], together: Results) -> Iterator[Problem]:
    """Results that must not stand on one board."""
    for found in contradictions(together.items()):
        if found.path in submitted:
            yield Problem(str(found.path), found.field, found.text, found.remedy)


def duplicates(submitted: Collection[PurePosixPath], together: Results) -> Iterator[Problem]:
    """The same scores under two names or two seeds: one of the two was not measured."""
    seen: dict[tuple[object, ...], PurePosixPath] = {}
    for path, result in together.items():
        series = tuple((n, s.values) for n, s in sorted(result.scores.items()) if isinstance(s, Scored))
        telling = sum(len(set(values)) > 2 for _, values in series)
        if telling < 2:  # a few zeros and ones may well agree
            continue
        first = seen.setdefault((result.suite, result.dataset, series), path)
        if first != path and path in submitted:
            remedy = "Compute the run under its own name and seed, or leave it out."
            yield Problem(str(path), "scores", f"every score is that of {first}", remedy)


def other_black_boxes(submitted: Collection[PurePosixPath], together: Results) -> Iterator[Problem]:
    """Accuracy minus gap is the black box's accuracy, by image: the same for every entry that is paired with it."""
    known: dict[tuple[str, str], tuple[PurePosixPath, tuple[int, ...]]] = {}
    for path, result in together.items():
        origin, right = result.provenance, black_box_right(result)
        if right is None:
            continue
        first, expected = known.setdefault((origin.dataset_sha256, origin.backbone_sha256), (path, right))
        if path in submitted and right != expected:
            index = next((i for i, (a, b) in enumerate(zip(right, expected, strict=False)) if a != b), 0)
            text = f"makes the black box other than {first} does, though both have the same weights"
            yield Problem(str(path), f"scores.accuracy_gap.values.{index}", text, RERUN)
