"""Was an entry recomputed by somebody else? A small file beside its results says which cells, when and where.

A mark names the hash of every result of the entry: once one of them changes, the mark says nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from sembench.files import write_atomically
from sembench.results.result import Name, Result
from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.files import VERIFIED, WHOLE, Found, content
from sembench_leaderboard.submission.manifest import Sha256, hashes, manifest_path
from sembench_leaderboard.submission.strict_json import parse

_ASK = "Leave it out: whoever maintains the board runs `sembench verify` and writes it."


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Recomputed(_Strict):
    """One cell that was computed again.

    Attributes:
        created: UTC time, ISO 8601.
        device: ``cpu`` or the name of the GPU.
        processor: Processor of the machine.
        torch: Version of torch.
        agreement: ``"bit for bit"`` where weights and values are the same, ``"within tolerance"`` where another
            machine trained other weights.
        differences: Largest difference by metric: of a value where the weights are the same, else of the means.
    """

    created: str
    device: str
    processor: str
    torch: str
    agreement: Literal["bit for bit", "within tolerance"]
    differences: dict[str, FiniteFloat]


class Mark(_Strict):
    """What is known of one entry.

    Attributes:
        schema_version: Version of this schema.
        suite: Name of the suite.
        entry: Label of the entry.
        files: SHA-256 of every result of the entry when it was marked, by path.
        cells: The cells that were recomputed, by path of their result.
    """

    schema_version: Literal[1] = 1
    suite: Name
    entry: Name
    files: dict[str, Sha256]
    cells: Annotated[dict[str, Recomputed], Field(min_length=1)]


def mark_path(suite: str, entry: str) -> PurePosixPath:
    """Where the mark of an entry lies."""
    return PurePosixPath(VERIFIED, suite, f"{entry}.json")


def results_of(root: Path, suite: str, entry: str) -> list[PurePosixPath]:
    """The results of an entry, relative to the folder."""
    found = (PurePosixPath(path.relative_to(root)) for path in root.glob(f"{suite}/*/*/seed-*.json"))
    return sorted(path for path in found if path.parts[2] == entry)


def write_marks(root: Path, recomputed: Mapping[PurePosixPath, Recomputed]) -> list[Path]:
    """Marks the entries of these cells; cells that were recomputed before stay named while no result changed."""
    written = []
    for suite, entry in sorted({(path.parts[0], path.parts[2]) for path in recomputed}):
        files = hashes(root, results_of(root, suite, entry))
        cells = {
            str(path): cell for path, cell in recomputed.items() if (path.parts[0], path.parts[2]) == (suite, entry)
        }
        path = root / mark_path(suite, entry)
        before = _read(path)
        earlier = before.cells if before is not None and before.files == files else {}
        mark = Mark(suite=suite, entry=entry, files=files, cells={**earlier, **cells})
        write_atomically(path, (mark.model_dump_json(indent=1) + "\n").encode())
        written.append(path)
    return written


def _read(path: Path) -> Mark | None:
    try:
        return Mark.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None  # written anew


def standing(roots: Sequence[Path], results: Iterable[Result]) -> dict[tuple[str, str], str]:
    """How far is each entry of a board trusted? In words, by suite and entry; without such a file, nothing.

    An entry is *verified* while its mark names exactly its results, else *submitted* where it has a manifest.
    """
    said = {}
    for suite, entry in sorted({(result.suite, result.explainer) for result in results}):
        for root in roots:
            files = results_of(root, suite, entry)
            mark = _read(root / mark_path(suite, entry))
            if mark is not None and mark.files == hashes(root, files):
                agreement = sorted({cell.agreement for cell in mark.cells.values()})
                said[suite, entry] = f"verified: {len(mark.cells)} of {len(files)} cells, {' and '.join(agreement)}"
            elif mark is not None or (root / manifest_path(suite, entry)).is_file():
                stale = ", results changed since they were verified" if mark is not None else ""
                said[suite, entry] = f"submitted{stale}"
    return said


def untrue(
    root: Path, files: Sequence[Found], hashed: Mapping[str, str], known: Mapping[PurePosixPath, bytes] | None
) -> Iterator[Complaint]:
    """Marks that do not fit the results, and marks that whoever submits has made.

    Args:
        root: The folder that was submitted.
        files: What lies there.
        hashed: SHA-256 of its results, by path.
        known: The marks that may be there, by path; ``None`` if any may.
    """
    for file in files:
        if file.role != "verified":
            continue
        data, unreadable = content(root, file.path)
        yield from unreadable
        if data is None:
            continue
        _, wrong = parse(data)
        if wrong:
            yield from (Complaint(str(file.path), *item) for item in wrong)
            continue
        try:
            mark = Mark.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or WHOLE
            yield Complaint(str(file.path), field, str(first["msg"]), _ASK)
            continue
        if known is not None and known.get(file.path) != data:
            yield Complaint(str(file.path), WHOLE, "marks an entry as verified, and is not in the base", _ASK)
        there = {
            name: digest
            for name, digest in hashed.items()
            if (parts := PurePosixPath(name).parts)[0] == file.suite and parts[2] == file.entry
        }
        if (mark.suite, mark.entry) != (file.suite, file.entry) or not set(mark.cells) <= set(mark.files):
            yield Complaint(str(file.path), "entry", "does not fit the place of the file, or names other cells", _ASK)
        for name in sorted({*there, *mark.files}):
            if there.get(name) != mark.files.get(name):
                text = f"{name} is not the result that was verified"
                yield Complaint(str(file.path), f"files.{name}", text, "Run `sembench verify` again.")
