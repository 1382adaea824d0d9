"""Validation of a folder of results for a board, without running anything of it, without torch, without a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from sembench.errors import SembenchError
from sembench.results.result import Result, result_path
from sembench.results.score import Measure
from sembench.suites.suite import Suite
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.entries.grouping import by_suite
from sembench_leaderboard.entries.versions import is_old, measures_of, other_versions
from sembench_leaderboard.submission import base as against
from sembench_leaderboard.submission.completeness import incomplete
from sembench_leaderboard.submission.files import REPACK, UNMARK, File, survey
from sembench_leaderboard.submission.problem import WHOLE, Problem, Results, Verdict, limited, shown
from sembench_leaderboard.submission.records import Manifest, Mark
from sembench_leaderboard.submission.result_file import claims, created


def validate(
    root: Path,
    *,
    base: Path | None = None,
    suites: Sequence[Suite] = (),
    whole: bool = False,
    allow_changes: bool = False,
    new: bool = False,
) -> Verdict:
    """Looks for every reason to refuse a folder of results.

    Args:
        root: The folder, see `sembench_leaderboard.submission.files`.
        base: Results that are accepted already; what they hold must not change, and new entries bring a manifest.
        suites: Suites that do not come with sembench.
        whole: The folder is to take the base's place, so that every result, manifest and mark of the base has to be
            in it; otherwise only those of entries that the folder holds.
        allow_changes: Accept altered and dropped results, manifests and marks of verification: for maintainers.
        new: Nothing in the folder was accepted before. Otherwise every result that the base holds as it is here was;
            without a base, every one.

    Raises:
        SembenchError: If a folder is not there, the base itself cannot be read, or ``whole`` is given without a base.
    """
    if whole and base is None:
        raise SembenchError("--whole compares with a base. Name the accepted results with --base.")
    there = against.accepted(_folder(base)) if base is not None else []
    before = _results(there)
    known = {name: score.measure for result in before.values() for name, score in result.scores.items()}
    measures = {**known, **declared().measures}
    files, problems = survey(_folder(root))
    every = _results(files)
    stood = {} if new else every if base is None else before
    settled = {path for path, result in every.items() if stood.get(path) == result}
    for path, result in every.items():
        problems += limited(path, list(claims(path, result, measures, accepted=path in settled)))
    results = {path: result for path, result in every.items() if Path(path) == _place(result)}
    old = frozenset(path for path in settled & results.keys() if is_old(results[path]))
    current = {path: result for path, result in results.items() if path not in old}
    problems += incomplete(current, {suite.name: suite for suite in suites}, {file.path for file in files})
    problems += _together(results, before)
    problems += _beside(files, None if base is None or allow_changes else {file.path: file.sha256 for file in there})
    problems += [] if base is None else against.without_manifest(results, files, before)
    if not allow_changes:
        problems += against.changed(results, before)
        problems += against.dropped(files, there, whole=whole)
    problems += _without_results(files)
    accepted = frozenset("/".join(file.entry) for file in there if file.role == "result")
    notes = (*_of_old_versions(results, old), *_not_read(results, measures))
    return Verdict(tuple(sorted(set(problems))), results, accepted, old, notes)


def _without_results(files: Sequence[File]) -> Iterator[Problem]:
    """The problem of a folder that holds no results."""
    if not any(file.role == "result" for file in files):
        text = "holds no result at <suite>/<data set>/<entry>/seed-<n>.json"
        yield Problem(".", "number of files", text, "Name the folder that `sembench submit` wrote.")


def _place(result: Result) -> Path:
    """Where a result has to lie below its folder."""
    return result_path(Path(), result.suite, result.dataset, result.explainer, result.seed)


def _together(results: Results, before: Results) -> Iterator[Problem]:
    """Contradictions within a submission, and with the base."""
    together = {path: result for path, result in before.items() if path not in results} | dict(results)
    yield from against.contradicting(results, together)
    yield from against.duplicates(results, together)
    yield from against.taken(results, before)
    yield from against.other_black_boxes(results, together)


def _of_old_versions(results: Results, old: Collection[PurePosixPath]) -> Iterator[str]:
    """A line for each metric of an older version in each suite."""
    for suite, own in by_suite(results[path] for path in old).items():
        for other in other_versions(measures_of(own)).values():
            yield f"{shown(suite)}: {shown(other.text)} ({len(own)} results, accepted before)"


def _not_read(results: Results, known: Mapping[str, Measure]) -> Iterator[str]:
    """A line for each metric that results hold, and of which nothing, or not all, is known without running its code."""
    for name, where in declared().unread.items():
        count = sum(name in result.scores for result in results.values())
        if count:
            what = "whether it applies" if name in known else "what its numbers mean"
            text = f"metric {name}: its declaration at {where} cannot be read without running it"
            yield f"{text}; {what} is not checked in {count} results"


def _folder(path: Path) -> Path:
    try:
        there = path.is_dir()
    except OSError as error:
        raise SembenchError(f"{path} cannot be read: {error.strerror}. Make the folders above it readable.") from error
    if not there:
        raise SembenchError(f"{path} is no folder. Name a folder of results, as `sembench submit` writes it.")
    return path


def _results(files: Sequence[File]) -> dict[PurePosixPath, Result]:
    return {file.path: file.content for file in files if isinstance(file.content, Result)}


def _beside(files: Sequence[File], kept: Mapping[PurePosixPath, str] | None) -> Iterator[Problem]:
    """Manifests and marks that do not fit the results beside them, or are not those of the base.

    ``kept`` is the SHA-256 of the base's files, by path; ``None`` where manifests and marks may differ from the base's.
    """
    hashed: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for file in files:
        if file.role == "result" and file.sha256:
            hashed[file.entry][str(file.path)] = file.sha256
    for file in files:
        if isinstance(file.content, Manifest):
            yield from _manifest(file, file.content, hashed[file.entry])
        elif isinstance(file.content, Mark):
            yield from _mark(file, file.content, hashed[file.entry])
            if kept is not None and kept.get(file.path) != file.sha256:
                text = "marks an entry as verified, and is not in the base"
                yield Problem(str(file.path), WHOLE, text, UNMARK)
        if file.role == "manifest" and file.sha256 and (kept or {}).get(file.path, file.sha256) != file.sha256:
            yield Problem(str(file.path), WHOLE, "differs from the manifest in the base", against.KEEP)


def _manifest(file: File, manifest: Manifest, there: Mapping[str, str]) -> Iterator[Problem]:
    """Claims of a manifest that do not hold; ``there`` gives the SHA-256 of the entry's results, by path."""
    path, here = str(file.path), version("sembench")
    for field, claimed, lies in zip(("suite", "entry"), (manifest.suite, manifest.entry), file.entry, strict=True):
        if claimed != lies:
            yield Problem(path, field, f"is {claimed!r}, but the file lies under {lies!r}", REPACK)
    if manifest.sembench != here:
        yield Problem(path, "sembench", f"is {manifest.sembench!r}, this is version {here!r}", REPACK)
    for wrong in created("created", manifest.created):
        yield Problem(path, *wrong)
    for name in sorted({*there, *manifest.files}):
        if name not in there:
            yield Problem(path, f"files.{name}", "is named here, but no result of this entry", REPACK)
        elif name not in manifest.files:
            yield Problem(name, WHOLE, f"is not named in {path}", REPACK)
        elif (found := there[name]) != (said := manifest.files[name]):
            text = f"hashes to {found[:12]}..., {path} says {said[:12]}...: it was changed since"
            yield Problem(name, WHOLE, text, REPACK)


def _mark(file: File, mark: Mark, there: Mapping[str, str]) -> Iterator[Problem]:
    """Claims of a mark that do not hold; ``there`` gives the SHA-256 of the entry's results, by path."""
    path = str(file.path)
    if (mark.suite, mark.entry) != file.entry or not set(mark.runs) <= set(mark.files):
        yield Problem(path, "entry", "does not fit the place of the file, or names other runs", UNMARK)
    for name in sorted({*there, *mark.files}):
        if there.get(name) != mark.files.get(name):
            text = f"{name} is not the result that was verified"
            yield Problem(path, f"files.{name}", text, "Run `sembench verify` again.")
