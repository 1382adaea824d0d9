"""The files of a submission, each read, hashed and parsed once. No link is followed, nothing unbounded is read.

A submission holds JSON files and no others::

    <suite>/<data set>/<entry>/seed-<n>.json     results
    manifests/<suite>/<entry>.json               what was submitted: hashes of the results, and the environment
    verified/<suite>/<entry>.json                what was recomputed by somebody else
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import ValidationError

from sembench.results.result import Result
from sembench_leaderboard.submission.problem import RERUN, WHOLE, Problem, Wrong, limited
from sembench_leaderboard.submission.records import MANIFESTS, MAX_BYTES, VERIFIED, Manifest, Mark, read_bytes
from sembench_leaderboard.submission.strict_json import parse

MAX_FILES = 20_000
MAX_TOTAL_BYTES = 1 * 2**30
REPACK = "Run `sembench submit` again, which writes results and manifest together."
UNMARK = "Leave it out: a maintainer of the board runs `sembench verify` and writes it."

Role = Literal["result", "manifest", "verified"]
_SCHEMAS: dict[Role, tuple[type[Result] | type[Manifest] | type[Mark], str]] = {
    "result": (Result, RERUN),
    "manifest": (Manifest, REPACK),
    "verified": (Mark, UNMARK),
}
_ROLES: dict[str, Role] = {MANIFESTS: "manifest", VERIFIED: "verified"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.()+-]{0,79}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices: a repository that holds one cannot be checked out there."""
_RESULT = re.compile(r"seed-(0|[1-9][0-9]{0,17})\.json")
_FOLDER_OF_RESULTS = "Submit the folder that `sembench submit` wrote, or one like it, and nothing beside it."


@dataclass(frozen=True)
class File:
    """A file of a submission.

    Attributes:
        path: Path relative to the folder that was submitted.
        role: What it has to be in that place.
        sha256: Hash of its bytes, in hexadecimal; ``""`` until it is read, or if it cannot be.
        content: What it holds; ``None`` until it is read, or if it breaks the schema.
    """

    path: PurePosixPath
    role: Role
    sha256: str = ""
    content: Result | Manifest | Mark | None = None

    @property
    def entry(self) -> tuple[str, str]:
        """Name of the suite and label of the entry, by the file's place."""
        parts = self.path.parts
        return (parts[0], parts[2]) if self.role == "result" else (parts[1], self.path.name.removesuffix(".json"))


def survey(root: Path, *, accepted: bool = False) -> tuple[list[File], list[Problem]]:
    """All files below a folder that lie in their place, and the problems of everything that lies there.

    Where it was ``accepted`` before, its results have to keep the schema, and nothing else.
    """
    found: list[File] = []
    problems: list[Problem] = []
    folded: dict[str, PurePosixPath] = {}
    total = 0
    for count, (path, status) in enumerate(_walk(root), 1):
        if count > MAX_FILES:
            text = f"there are more than {MAX_FILES:,} files"
            problems.append(Problem(".", "number of files", text, "Submit one entry at a time."))
            break
        wrong = _unreadable(status) if isinstance(status, OSError) else _wrong_place(path, status)
        total += 0 if isinstance(status, OSError) else status.st_size
        twin = folded.setdefault(str(path).casefold(), path)
        if wrong is None and twin != path:
            wrong = Wrong("name", f"differs from {twin} in upper and lower case only", "Rename one of the two.")
        if wrong is None:
            found.append(File(path, _ROLES.get(path.parts[0], "result")))
        else:
            problems.append(Problem(str(path), *wrong))
    if total > MAX_TOTAL_BYTES:
        text = f"all files together hold {total:,} bytes, more than {MAX_TOTAL_BYTES:,}"
        return [], [*problems, Problem(".", "size", text, "Submit one entry at a time.")]
    files = []
    for unread in found:
        file, faults = _read(root, unread, accepted)
        files.append(file)
        problems += limited(file.path, faults)
    return files, problems


def _walk(root: Path) -> Iterator[tuple[PurePosixPath, os.stat_result | OSError]]:
    """Everything below a folder that is no folder itself, and folders that lie too deep; never follows a link.

    Where the system refuses to list or examine something, its error takes the place of the status.
    """
    waiting = [PurePosixPath()]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                listed = sorted(entry.name for entry in entries)
        except OSError as error:
            yield folder, error
            continue
        for name in listed:
            path = folder / name
            try:
                status = (root / path).lstat()
            except OSError as error:
                yield path, error
                continue
            if stat.S_ISDIR(status.st_mode) and len(path.parts) < 4:
                waiting.append(path)
            else:
                yield path, status


def _unreadable(error: OSError | ValueError) -> Wrong:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Wrong(WHOLE, f"cannot be read: {text}", "Make it readable, or leave it out.")


def _wrong_place(path: PurePosixPath, status: os.stat_result) -> Wrong | None:
    if stat.S_ISLNK(status.st_mode):
        return Wrong("type", "is a symbolic link", "Put the file itself there.")
    if stat.S_ISDIR(status.st_mode):
        return Wrong("place", "is a folder deeper than <suite>/<data set>/<entry>/", _FOLDER_OF_RESULTS)
    if not stat.S_ISREG(status.st_mode):
        return Wrong("type", "is neither a file nor a folder", _FOLDER_OF_RESULTS)
    if status.st_mode & 0o111:
        return Wrong("type", "is executable", "Take the permission away: `chmod a-x`.")
    if status.st_size > MAX_BYTES:
        return Wrong("size", f"holds {status.st_size:,} bytes, more than {MAX_BYTES:,}", "Compute its run again.")
    for part in path.parts:
        if not _NAME.fullmatch(part):
            accepted = "letters, digits and _.()+- are accepted, a letter or digit first, 80 at most"
            return Wrong("name", f"{part!r} is no name: {accepted}", _FOLDER_OF_RESULTS)
        if _RESERVED.fullmatch(part) or part.endswith("."):
            remedy = "Give the entry another label: Windows keeps device names, and drops a dot at the end."
            return Wrong("name", f"{part!r} cannot be the name of a file everywhere", remedy)
    beside = path.parts[0] in (MANIFESTS, VERIFIED)
    if len(path.parts) == (3 if beside else 4) and (path.suffix == ".json" if beside else _RESULT.fullmatch(path.name)):
        return None
    return Wrong("place", "is not <suite>/<data set>/<entry>/seed-<n>.json, a manifest or a mark", _FOLDER_OF_RESULTS)


def _read(root: Path, file: File, accepted: bool) -> tuple[File, list[Wrong]]:
    """The file with its hash and content, as far as it has them, and what is wrong with it."""
    try:
        data = read_bytes(root, file.path)
    except (OSError, ValueError) as error:
        return file, [_unreadable(error)]
    hashed = replace(file, sha256=hashlib.sha256(data).hexdigest())
    if accepted and file.role != "result":
        return hashed, []
    if not accepted and (wrong := parse(data)[1]):
        return hashed, wrong
    schema, remedy = _SCHEMAS[file.role]
    try:
        return replace(hashed, content=schema.model_validate_json(data)), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return hashed, [
            Wrong(".".join(map(str, item["loc"])) or WHOLE, item["msg"].removesuffix("."), remedy) for item in found
        ]
