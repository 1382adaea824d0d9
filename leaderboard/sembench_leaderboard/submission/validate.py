"""Validation of a folder of results for a board, without running anything of it, without torch, without a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from sembench.errors import SembenchError
from sembench.results.result import Result, result_path
from sembench.suites.suite import Suite
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.submission import base as against
from sembench_leaderboard.submission.completeness import incomplete
from sembench_leaderboard.submission.files import REPACK, UNMARK, File, survey
from sembench_leaderboard.submission.problem import WHOLE, Problem, Verdict, limited
from sembench_leaderboard.submission.records import Manifest, Mark
from sembench_leaderboard.submission.result_file import claims, created


def validate(
    root: Path,
    *,
    base: Path | None = None,
    suites: Sequence[Suite] = (),
    whole: bool = False,
    allow_changes: bool = False,
) -> Verdict:
    """Looks for every reason to refuse a folder of results.

    Args:
        root: The folder, see `sembench_leaderboard.submission.files`.
        base: Results that are accepted already; what they hold must not change, and new entries bring a manifest.
        suites: Suites that do not come with sembench.
        whole: The folder is to take the base's place, so that every result, manifest and mark of the base has to be
            in it; otherwise only those of entries that the folder holds.
        allow_changes: Accept altered and dropped results, manifests and marks of verification: for maintainers.

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
    results = _results(files)
    for path, result in _results(files).items():
        problems += limited(path, list(claims(path, result, measures)))
        if Path(path) != result_path(Path(), result.suite, result.dataset, result.explainer, result.seed):
            del results[path]
    together = {path: result for path, result in before.items() if path not in results} | results
    problems += incomplete(results, {suite.name: suite for suite in suites}, {file.path for file in files})
    problems += against.contradicting(results, together)
    problems += against.duplicates(results, together)
    problems += against.taken(results, before)
    problems += against.other_black_boxes(results, together)
    problems += _beside(files, None if base is None or allow_changes else {file.path: file.sha256 for file in there})
    if base is not None:
        problems += against.without_manifest(results, files, before)
    if not allow_changes:
        problems += against.changed(results, before)
        problems += against.dropped(files, there, whole=whole)
    if not any(file.role == "result" for file in files):
        text = "holds no result at <suite>/<data set>/<entry>/seed-<n>.json"
        problems.append(Problem(".", "number of files", text, "Name the folder that `sembench submit` wrote."))
    accepted = frozenset("/".join(file.entry) for file in there if file.role == "result")
    return Verdict(tuple(sorted(set(problems))), results, accepted)


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
