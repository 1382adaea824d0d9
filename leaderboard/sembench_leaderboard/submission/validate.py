"""May this folder of results stand on a board? Read without running anything, without torch, without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sembench.errors import SembenchError
from sembench.results.result import Measure, Result
from sembench.suites.suite import Suite
from sembench_leaderboard.submission.base import (
    KEEP,
    NOTHING,
    accepted,
    changed,
    contradicting,
    dropped,
    duplicates,
    other_black_boxes,
    taken,
    without_manifest,
)
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.completeness import incomplete
from sembench_leaderboard.submission.files import WHOLE, Found, content, survey
from sembench_leaderboard.submission.manifest import broken_promises, read_manifest
from sembench_leaderboard.submission.marks import untrue
from sembench_leaderboard.submission.result_file import read


@dataclass(frozen=True)
class Verdict:
    """What came of a validation.

    Attributes:
        complaints: Reasons to refuse the submission; none where it may be accepted.
        results: The results that keep the schema, by path.
    """

    complaints: tuple[Complaint, ...]
    results: Mapping[PurePosixPath, Result]

    @property
    def entries(self) -> list[str]:
        """The entries that were found, ``suite/entry``."""
        return sorted({f"{result.suite}/{result.explainer}" for result in self.results.values()})


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
        SembenchError: If a folder is not there, the base itself cannot be read, or ``whole`` is said without a base.
    """
    if whole and base is None:
        raise SembenchError("--whole compares with a base. Name the accepted results with --base.")
    there = accepted(_folder(base)) if base is not None else NOTHING
    files, complaints = survey(_folder(root))
    known = {name: score.measure for result in there.results.values() for name, score in result.scores.items()}
    results, hashed, wrong = _results(root, files, known)
    complaints += wrong
    readable = list(results.items())
    unread = {file.path for file in files if file.role == "result"} - set(results)
    complaints += incomplete(readable, {suite.name: suite for suite in suites}, unread)
    complaints += contradicting(readable, there.results)
    complaints += duplicates(readable, there.results)
    complaints += taken(readable, there.results)
    complaints += other_black_boxes(readable, there.results)
    kept = None if base is None or allow_changes else there.beside
    complaints += _manifests(root, files, hashed, kept or {})
    if base is not None:
        complaints += without_manifest(readable, files, there.results)
    complaints += untrue(root, files, hashed, kept)
    if not allow_changes:
        complaints += changed(readable, there.results)
        complaints += dropped(files, there.files, whole=whole)
    if not any(file.role == "result" for file in files):
        text = "holds no result at <suite>/<data set>/<entry>/seed-<n>.json"
        complaints.append(Complaint(".", "number of files", text, "Name the folder that `sembench submit` wrote."))
    return Verdict(tuple(sorted(set(complaints))), results)


def _folder(path: Path) -> Path:
    try:
        there = path.is_dir()
    except OSError as error:
        raise SembenchError(f"{path} cannot be read: {error.strerror}. Make the folders above it readable.") from error
    if not there:
        raise SembenchError(f"{path} is no folder. Name a folder of results, as `sembench submit` writes it.")
    return path


def _results(
    root: Path, files: Sequence[Found], known: Mapping[str, Measure]
) -> tuple[dict[PurePosixPath, Result], dict[str, str], list[Complaint]]:
    """The results that keep the schema, SHA-256 of all that can be read, and what is wrong."""
    results, hashed, complaints = {}, {}, []
    for file in files:
        if file.role != "result":
            continue
        data, unreadable = content(root, file.path)
        complaints += unreadable
        if data is None:
            continue
        hashed[str(file.path)] = hashlib.sha256(data).hexdigest()
        result, wrong = read(file.path, data, known)
        complaints += wrong
        if result is not None and file.path.parts == _place(result):
            results[file.path] = result
    return results, hashed, complaints


def _place(result: Result) -> tuple[str, ...]:
    return (result.suite, result.dataset, result.explainer, f"seed-{result.seed}.json")


def _manifests(
    root: Path, files: Sequence[Found], hashed: Mapping[str, str], kept: Mapping[PurePosixPath, bytes]
) -> Iterator[Complaint]:
    """What is wrong with manifests; those of the base have to stay as they are."""
    for file in files:
        if file.role != "manifest":
            continue
        data, unreadable = content(root, file.path)
        yield from unreadable
        if data is None:
            continue
        manifest, wrong = read_manifest(file.path, data)
        yield from wrong if manifest is None else broken_promises(file.path, manifest, hashed)
        if kept.get(file.path, data) != data:
            yield Complaint(str(file.path), WHOLE, "differs from the manifest in the base", KEEP)
