"""Which files does a submission consist of? Nothing is followed, nothing unbounded is read.

A submission holds JSON files and no others::

    <suite>/<data set>/<entry>/seed-<n>.json     results
    manifests/<suite>/<entry>.json               what was submitted: hashes of the results, and the environment
    verified/<suite>/<entry>.json                what was recomputed by somebody else
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from sembench_leaderboard.submission.complaint import Complaint

MANIFESTS, VERIFIED = "manifests", "verified"
MAX_FILES = 20_000
MAX_BYTES = 8 * 2**20
MAX_TOTAL_BYTES = 1 * 2**30
WHOLE = "the file"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.()+-]{0,79}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices: a repository that holds one cannot be checked out there."""
_RESULT = re.compile(r"seed-(0|[1-9][0-9]{0,17})\.json")
_FOLDER_OF_RESULTS = "Submit the folder that `sembench submit` wrote, or one like it, and nothing beside it."


@dataclass(frozen=True)
class Found:
    """A file that may be read, and what its place says that it is."""

    path: PurePosixPath
    role: Literal["result", "manifest", "verified"]

    @property
    def suite(self) -> str:
        """Name of the suite, as the place says."""
        return self.path.parts[0 if self.role == "result" else 1]

    @property
    def entry(self) -> str:
        """Label of the entry, as the place says."""
        return self.path.parts[2] if self.role == "result" else self.path.name.removesuffix(".json")


def survey(root: Path) -> tuple[list[Found], list[Complaint]]:
    """The files below a folder that may be read, and a complaint about everything else that lies there."""
    found: list[Found] = []
    complaints: list[Complaint] = []
    folded: dict[str, PurePosixPath] = {}
    total = count = 0
    for path, status in _walk(root):
        count += 1
        if count > MAX_FILES:
            text = f"there are more than {MAX_FILES:,} files"
            complaints.append(Complaint(".", "number of files", text, "Submit one entry at a time."))
            break
        if isinstance(status, OSError):
            complaints.append(_unreadable(path, status))
            continue
        total += status.st_size
        problem = _problem(path, status)
        twin = folded.setdefault(str(path).casefold(), path)
        if problem is None and twin != path:
            problem = Complaint(
                str(path), "name", f"differs from {twin} in upper and lower case only", "Rename one of the two."
            )
        if problem is not None:
            complaints.append(problem)
            continue
        role: Literal["result", "manifest", "verified"] = "result"
        if len(path.parts) == 3:
            role = "manifest" if path.parts[0] == MANIFESTS else "verified"
        found.append(Found(path, role))
    if total > MAX_TOTAL_BYTES:
        text = f"all files together hold {total:,} bytes, more than {MAX_TOTAL_BYTES:,}"
        complaints.append(Complaint(".", "size", text, "Submit one entry at a time."))
        return [], complaints
    return found, complaints


def _walk(root: Path) -> Iterator[tuple[PurePosixPath, os.stat_result | OSError]]:
    """Everything below a folder that is no folder itself, and folders that lie too deep; never follows a link.

    What the system does not let be listed or looked at comes with its error.
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
            path, status = folder / name, _status(root / folder / name)
            if isinstance(status, os.stat_result) and stat.S_ISDIR(status.st_mode) and len(path.parts) < 4:
                waiting.append(path)
            else:
                yield path, status


def _status(path: Path) -> os.stat_result | OSError:
    try:
        return path.lstat()
    except OSError as error:
        return error


def _unreadable(path: PurePosixPath, error: OSError | ValueError) -> Complaint:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Complaint(str(path), WHOLE, f"cannot be read: {text}", "Make it readable, or leave it out.")


def _problem(path: PurePosixPath, status: os.stat_result) -> Complaint | None:
    def complaint(field: str, problem: str, remedy: str = _FOLDER_OF_RESULTS) -> Complaint:
        return Complaint(str(path), field, problem, remedy)

    if stat.S_ISLNK(status.st_mode):
        return complaint("type", "is a symbolic link", "Put the file itself there.")
    if stat.S_ISDIR(status.st_mode):
        return complaint("place", "is a folder deeper than <suite>/<data set>/<entry>/")
    if not stat.S_ISREG(status.st_mode):
        return complaint("type", "is neither a file nor a folder")
    if status.st_mode & 0o111:
        return complaint("type", "is executable", "Take the permission away: `chmod a-x`.")
    if status.st_size > MAX_BYTES:
        return complaint("size", f"holds {status.st_size:,} bytes, more than {MAX_BYTES:,}", "Run its cell again.")
    for part in path.parts:
        if not _NAME.fullmatch(part):
            accepted = "letters, digits and _.()+- are accepted, a letter or digit first, 80 at most"
            return complaint("name", f"{part!r} is no name: {accepted}")
        if _RESERVED.fullmatch(part) or part.endswith("."):
            remedy = "Give the entry another label: Windows keeps device names, and drops a dot at the end."
            return complaint("name", f"{part!r} cannot be the name of a file everywhere", remedy)
    beside = path.parts[0] in (MANIFESTS, VERIFIED)
    if beside and len(path.parts) == 3 and path.name.endswith(".json"):
        return None
    if not beside and len(path.parts) == 4 and _RESULT.fullmatch(path.name):
        return None
    return complaint("place", "is not <suite>/<data set>/<entry>/seed-<n>.json, a manifest or a mark")


def content(root: Path, path: PurePosixPath) -> tuple[bytes | None, list[Complaint]]:
    """What `read_bytes` reads, or a complaint that says why there is nothing."""
    try:
        return read_bytes(root, path), []
    except (OSError, ValueError) as error:
        return None, [_unreadable(path, error)]


def read_bytes(root: Path, path: PurePosixPath) -> bytes:
    """A file's content, at most `MAX_BYTES` of it, through no link. Raises `OSError` or `ValueError`."""
    handle = os.open(root / path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"holds more than {MAX_BYTES:,} bytes")
    return content
