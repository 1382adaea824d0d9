"""Records beside the results of an entry: its manifest (contents and origin) and its mark of verification."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path, PurePosixPath
from platform import platform, python_version
from re import match
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from sembench.files import write_atomically
from sembench.plugins.registry import EXPLAINERS
from sembench.results.result import Name, Result
from sembench.results.score import Number, Strict
from sembench.suites.plan import Run

MANIFESTS, VERIFIED = "manifests", "verified"
MAX_BYTES = 8 * 2**20
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(Strict):
    """A record of one entry, with the SHA-256 of each of its results at that time, by path relative to the folder."""

    schema_version: Literal[1] = 1
    suite: Name
    entry: Name
    files: Annotated[dict[str, Sha256], Field(min_length=1)]


class Manifest(_Record):
    """Contents and origin of one entry's submission.

    Attributes:
        created: UTC time of packing, ISO 8601.
        explainer: Where the explainer comes from: object and package.
        system: Operating system and processor.
        packages: Versions of what sembench depends on.
    """

    created: str
    sembench: str
    explainer: str
    python: str
    system: str
    packages: dict[str, str]


class Recomputed(Strict):
    """One run that was computed again.

    Attributes:
        created: UTC time, ISO 8601.
        device: ``cpu`` or the name of the GPU.
        agreement: ``"bit for bit"`` where weights and values are the same, ``"within tolerance"`` where another
            machine trained other weights.
        differences: Largest difference by metric: of a value where the weights are the same, else of the means.
    """

    created: str
    device: str
    processor: str
    torch: str
    agreement: Literal["bit for bit", "within tolerance"]
    differences: dict[str, Number]


class Mark(_Record):
    """Recomputed runs of one entry, by path of their result; void once a result differs from ``files``."""

    runs: Annotated[dict[str, Recomputed], Field(min_length=1)]


def read_bytes(root: Path, path: PurePosixPath) -> bytes:
    """A file's content, at most `MAX_BYTES` of it, through no link. Raises `OSError` or `ValueError`."""
    handle = os.open(root / path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES:,} bytes")
    return content


def hashes(root: Path, suite: str, entry: str) -> dict[str, str]:
    """SHA-256 of the results of an entry, by path relative to the folder, sorted."""
    paths = sorted(PurePosixPath(path.relative_to(root)) for path in root.glob(f"{suite}/*/{entry}/seed-*.json"))
    return {str(path): hashlib.sha256(read_bytes(root, path)).hexdigest() for path in paths}


def record_path(kind: str, suite: str, entry: str) -> PurePosixPath:
    """Place of an entry's manifest or mark, where ``kind`` is `MANIFESTS` or `VERIFIED`."""
    return PurePosixPath(kind, suite, f"{entry}.json")


def _write(path: Path, record: Manifest | Mark) -> Path:
    write_atomically(path, (record.model_dump_json(indent=1) + "\n").encode())
    return path


def write_manifest(root: Path, suite: str, entry: str, explainer: str) -> Path:
    """Writes the manifest of an entry whose results lie below ``root``, and returns its path. Raises `DiskFull`."""
    manifest = Manifest(
        suite=suite,
        entry=entry,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sembench=version("sembench"),
        explainer=explainer,
        files=hashes(root, suite, entry),
        python=python_version(),
        system=platform(),
        packages=_packages(),
    )
    return _write(root / record_path(MANIFESTS, suite, entry), manifest)


def _packages() -> dict[str, str]:
    found = {}
    for requirement in requires("sembench") or []:
        name = match(r"[A-Za-z0-9_.-]+", requirement)
        if name and "extra ==" not in requirement:
            try:
                found[name.group()] = version(name.group())
            except PackageNotFoundError:
                found[name.group()] = "not installed"
    return dict(sorted(found.items()))


def pack(runs: Sequence[Run], results: Path, out: Path) -> list[Path]:
    """Copies the results of runs to ``out`` and writes a manifest for each entry; what others have there stays.

    Returns:
        The files, in the order in which they were written.

    Raises:
        DiskFull: If there is no room left.
    """
    written = []
    for run in runs:
        write_atomically(run.path(out), run.path(results).read_bytes())
        written.append(run.path(out))
    for suite, entry, explainer in sorted({(run.suite, run.entry, run.explainer.name) for run in runs}):
        said, by, path = EXPLAINERS.origin(explainer).partition("registered by ")
        written.append(write_manifest(out, suite, entry, said + by + Path(path).name))  # no folders of its author
    return written


def write_marks(root: Path, recomputed: Mapping[PurePosixPath, Recomputed]) -> list[Path]:
    """Marks the entries of these runs; runs that were recomputed before stay named while no result changed."""
    written = []
    for suite, entry in sorted({(path.parts[0], path.parts[2]) for path in recomputed}):
        files = hashes(root, suite, entry)
        runs = {str(path): run for path, run in recomputed.items() if (path.parts[0], path.parts[2]) == (suite, entry)}
        path = root / record_path(VERIFIED, suite, entry)
        before = _read_mark(path)
        earlier = before.runs if before is not None and before.files == files else {}
        written.append(_write(path, Mark(suite=suite, entry=entry, files=files, runs={**earlier, **runs})))
    return written


def _read_mark(path: Path) -> Mark | None:
    try:
        return Mark.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None  # to be written


def standing(roots: Sequence[Path], results: Iterable[Result]) -> dict[tuple[str, str], str]:
    """Trust in each entry of a board, in words, by suite and entry; entries without mark and manifest are left out.

    An entry is *verified* while its mark names exactly its results, else *submitted*.
    """
    said = {}
    for suite, entry in sorted({(result.suite, result.explainer) for result in results}):
        for root in roots:
            mark = _read_mark(root / record_path(VERIFIED, suite, entry))
            files = hashes(root, suite, entry) if mark is not None else {}
            if mark is not None and mark.files == files:
                agreement = sorted({run.agreement for run in mark.runs.values()})
                said[suite, entry] = f"verified: {len(mark.runs)} of {len(files)} runs, {' and '.join(agreement)}"
            elif mark is not None:
                said[suite, entry] = "submitted, results changed since they were verified"
            elif (root / record_path(MANIFESTS, suite, entry)).is_file():
                said[suite, entry] = "submitted"
    return said
