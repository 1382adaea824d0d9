"""May this folder of results stand on a board? Read without running anything, without torch, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.errors import SembenchError
from benchmark.results import Measure, Result
from benchmark.suite import Suite
from leaderboard.submission.against_base import changed, contradicting, duplicates, other_black_boxes, taken
from leaderboard.submission.complaint import Complaint
from leaderboard.submission.completeness import Read, incomplete
from leaderboard.submission.contents import read
from leaderboard.submission.manifest import broken_promises, hashes, manifest_path, read_manifest
from leaderboard.submission.marks import untrue
from leaderboard.submission.tree import Found, read_bytes, survey


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
    root: Path, *, base: Path | None = None, suites: Sequence[Suite] = (), allow_changes: bool = False
) -> Verdict:
    """Looks for every reason to refuse a folder of results.

    Args:
        root: The folder, see `leaderboard.submission.tree`.
        base: Results that are accepted already; what they hold must not change, and new entries bring a manifest.
        suites: Suites that do not come with sembench.
        allow_changes: Accept altered results and marks of verification: for maintainers.

    Raises:
        SembenchError: If a folder is not there, or the base itself cannot be read.
    """
    accepted = _accepted(base) if base is not None else {}
    files, complaints = survey(_folder(root))
    known = {name: score.measure for result in accepted.values() for name, score in result.scores.items()}
    results, wrong = _results(root, files, known)
    complaints += wrong
    readable = list(results.items())
    unread = {file.path for file in files if file.role == "result"} - set(results)
    complaints += incomplete(readable, {suite.name: suite for suite in suites}, unread)
    complaints += contradicting(readable, accepted)
    complaints += duplicates(readable, accepted)
    complaints += taken(readable, accepted)
    complaints += other_black_boxes(readable, accepted)
    hashed = hashes(root, [file.path for file in files if file.role == "result"])
    complaints += _manifests(root, files, hashed, readable, accepted, required=base is not None)
    complaints += untrue(root, files, hashed, base, allow_changes=allow_changes)
    if not allow_changes:
        complaints += changed(readable, accepted)
    if not any(file.role == "result" for file in files):
        text = "holds no result at <suite>/<data set>/<entry>/seed-<n>.json"
        complaints.append(Complaint(".", "number of files", text, "Name the folder that `sembench submit` wrote."))
    return Verdict(tuple(sorted(set(complaints))), results)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise SembenchError(f"{path} is no folder. Name a folder of results, as `sembench submit` writes it.")
    return path


def _accepted(base: Path) -> dict[PurePosixPath, Result]:
    """The base's results. They were accepted once: only that they can be read is asked of them."""
    files, _ = survey(_folder(base))
    found = {}
    for file in files:
        if file.role == "result":
            try:
                found[file.path] = Result.model_validate_json(read_bytes(base, file.path))
            except ValueError as error:
                raise SembenchError(
                    f"the base's {file.path} cannot be read: {error}. Restore the base first."
                ) from error
    return found


def _results(
    root: Path, files: Sequence[Found], known: Mapping[str, Measure]
) -> tuple[dict[PurePosixPath, Result], list[Complaint]]:
    results, complaints = {}, []
    for file in files:
        if file.role == "result":
            result, wrong = read(root, file.path, known)
            complaints += wrong
            if result is not None and file.path.parts == _place(result):
                results[file.path] = result
    return results, complaints


def _place(result: Result) -> tuple[str, ...]:
    return (result.suite, result.dataset, result.explainer, f"seed-{result.seed}.json")


def _manifests(
    root: Path,
    files: Sequence[Found],
    hashed: Mapping[str, str],
    results: Sequence[Read],
    accepted: Mapping[PurePosixPath, Result],
    *,
    required: bool,
) -> list[Complaint]:
    """Manifests that are wrong, and entries without one that need one."""
    complaints: list[Complaint] = []
    named = set()
    for file in files:
        if file.role == "manifest":
            named.add(file.path)
            manifest, wrong = read_manifest(root, file.path)
            complaints += wrong if manifest is None else broken_promises(file.path, manifest, hashed)
    settled = {(result.suite, result.explainer) for result in accepted.values()}
    for suite, entry in sorted({(result.suite, result.explainer) for _, result in results} - settled):
        path = manifest_path(suite, entry)
        if required and path not in named:
            text = "is missing: a new entry says what was submitted"
            complaints.append(Complaint(str(path), "the file", text, "Pack it with `sembench submit`."))
    return complaints
