"""What was submitted, and where was it computed? One small file per entry, with the hash of every result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path, PurePosixPath
from platform import platform, python_version
from re import match
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sembench.files import write_atomically
from sembench.results.result import Name
from sembench.suites.plan import Cell
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.files import MANIFESTS, WHOLE, read_bytes
from sembench_leaderboard.submission.result_file import created
from sembench_leaderboard.submission.strict_json import parse

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_PACK = "Run `sembench submit` again, which writes results and manifest together."


class Manifest(BaseModel):
    """What one entry's submission consists of.

    Attributes:
        schema_version: Version of this schema.
        suite: Name of the suite.
        entry: Label of the entry.
        created: UTC time of packing, ISO 8601.
        sembench: Version of sembench.
        explainer: Where the explainer comes from: object and package.
        files: SHA-256 of every result, by path relative to the folder that was submitted.
        python: Version of the interpreter.
        system: Operating system and processor.
        packages: Versions of what sembench depends on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = 1
    suite: Name
    entry: Name
    created: str
    sembench: str
    explainer: str
    files: Annotated[dict[str, Sha256], Field(min_length=1)]
    python: str
    system: str
    packages: dict[str, str]


def manifest_path(suite: str, entry: str) -> PurePosixPath:
    """Where the manifest of an entry lies."""
    return PurePosixPath(MANIFESTS, suite, f"{entry}.json")


def hashes(root: Path, paths: list[PurePosixPath]) -> dict[str, str]:
    """SHA-256 of files by their path."""
    return {str(path): hashlib.sha256(read_bytes(root, path)).hexdigest() for path in sorted(paths)}


def write_manifest(root: Path, suite: str, entry: str, explainer: str) -> Path:
    """Writes the manifest of an entry whose results lie below ``root``, and returns its path. Raises `DiskFull`."""
    results = [PurePosixPath(path.relative_to(root)) for path in root.glob(f"{suite}/*/*/seed-*.json")]
    manifest = Manifest(
        suite=suite,
        entry=entry,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sembench=version("sembench"),
        explainer=explainer,
        files=hashes(root, [path for path in results if path.parts[2] == entry]),
        python=python_version(),
        system=platform(),
        packages=_packages(),
    )
    path = root / manifest_path(suite, entry)
    write_atomically(path, (manifest.model_dump_json(indent=1) + "\n").encode())
    return path


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


def read_manifest(path: PurePosixPath, data: bytes) -> tuple[Manifest | None, list[Complaint]]:
    """A manifest from the content of its file, and what is wrong with it."""
    _, wrong = parse(data)
    if wrong:
        return None, [Complaint(str(path), *item) for item in wrong]
    try:
        return Manifest.model_validate_json(data), []
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or WHOLE
        return None, [Complaint(str(path), field, str(first["msg"]), _PACK)]


def broken_promises(path: PurePosixPath, manifest: Manifest, there: Mapping[str, str]) -> Iterator[Complaint]:
    """Where a manifest does not fit the files beside it.

    Args:
        path: The manifest.
        manifest: Its content.
        there: SHA-256 of all results of the submission, by path.
    """
    for field, claimed, lies in (
        ("suite", manifest.suite, path.parts[1]),
        ("entry", manifest.entry, path.name.removesuffix(".json")),
    ):
        if claimed != lies:
            yield Complaint(str(path), field, f"is {claimed!r}, but the file lies under {lies!r}", _PACK)
    if manifest.sembench != version("sembench"):
        text = f"is {manifest.sembench!r}, this is version {version('sembench')!r}"
        yield Complaint(str(path), "sembench", text, _PACK)
    for wrong in created("created", manifest.created):
        yield Complaint(str(path), *wrong)
    own = {
        name: digest
        for name, digest in there.items()
        if (parts := PurePosixPath(name).parts)[0] == manifest.suite and parts[2] == manifest.entry
    }
    for name in sorted({*own, *manifest.files}):
        if name not in own:
            yield Complaint(str(path), f"files.{name}", "is named here, but no result of this entry", _PACK)
        elif name not in manifest.files:
            yield Complaint(name, WHOLE, f"is not named in {path}", _PACK)
        elif own[name] != manifest.files[name]:
            text = f"hashes to {own[name][:12]}..., {path} says {manifest.files[name][:12]}...: it was changed since"
            yield Complaint(name, WHOLE, text, _PACK)


def pack(cells: Sequence[Cell], runs: Path, out: Path, origins: dict[str, str]) -> list[Path]:
    """Copies the results of cells to ``out`` and writes a manifest for each entry.

    Args:
        cells: Cells whose results lie below ``runs``.
        runs: Folder of results.
        out: Folder of the submission; what other entries have there stays.
        origins: Where the explainer of each entry comes from.

    Returns:
        The files, in the order in which they were written.

    Raises:
        DiskFull: If there is no room left.
    """
    written = []
    for cell in cells:
        write_atomically(cell.path(out), cell.path(runs).read_bytes())
        written.append(cell.path(out))
    for suite, entry in sorted({(cell.suite, cell.entry) for cell in cells}):
        written.append(write_manifest(out, suite, entry, _public(origins[entry])))
    return written


def _public(origin: str) -> str:
    """Where an explainer comes from, without the folders of whoever submits it."""
    said, by, path = origin.partition("registered by ")
    return f"{said}{by}{Path(path).name}" if by else origin
