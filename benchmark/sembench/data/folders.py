"""Images below a folder: what counts as one, what is left out and why, and which links are followed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sembench.data.seeing import endings, obstacle, printable
from sembench.errors import DataMissing

_OF_SYSTEMS = {
    "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "__pycache__", "lost+found",
    "system volume information",
}  # fmt: skip
_NO_DATA = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # beside hidden files, not worth a word

HIDDEN = "images that are hidden, or below folders that are hidden or a system's own"
ENDING = "files without an ending of pictures that Pillow reads"
BESIDE = "what lies beside the folders of classes or splits"
NO_FILE = "entries that are no files"
TWICE = "links to folders that are read elsewhere already, or that lead in a circle"


class LeftOut:
    """What is no part of a data set, by reason, which links were followed, and what else a reader should know.

    Args:
        root: Folder that names in notes are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, list[Path]] = {}
        self._links: list[Path] = []
        self._remarks: list[str] = []

    def add(self, reason: str, path: Path) -> None:
        """Leaves out a path, for one of the reasons above."""
        self._found.setdefault(reason, []).append(path)

    def follow(self, path: Path) -> None:
        """Takes a path along, which is noted if it is a link."""
        if path.is_symlink():
            self._links.append(path)

    def remark(self, sentence: str) -> None:
        """Has the reader know something else; nothing if it is empty."""
        self._remarks += [sentence] * bool(sentence)

    def name(self, path: Path) -> str:
        """A path below the root, for notes."""
        return printable(path.relative_to(self._root))

    def notes(self) -> tuple[str, ...]:
        """A sentence for each remark, and for each reason, with a count and an example."""
        found = [f"Left out {why}: {self._counted(why, paths)}." for why, paths in self._found.items()]
        if self._links:
            target = printable(Path(self._links[0]).readlink())
            found.append(f"Followed links: {len(self._links):,}, e.g. {self.name(self._links[0])} to {target}.")
        return *self._remarks, *found

    def _counted(self, why: str, paths: Sequence[Path]) -> str:
        kinds, example = "", f", e.g. {self.name(paths[0])}"
        if why == ENDING:
            counts = Counter(printable(path.suffix.lower()) or "none" for path in paths).most_common()
            kinds = f" ({', '.join(f'{count:,} {ending}' for ending, count in counts[:5])}"
            kinds += f" and {len(counts) - 5} other endings)" if len(counts) > 5 else ")"
        return f"{len(paths):,}{kinds}{example}" + (f", {obstacle(paths[0])}" if why == NO_FILE else "")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a folder that systems put beside a user's files."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name. Raises `DataMissing` if it cannot be read."""
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataMissing(
            f"{printable(folder)} cannot be read: {error.strerror}. Look at the folder's rights."
        ) from error


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, linked ones too, but those that are hidden or a system's own."""
    return [entry for entry in entries(folder) if _is_folder(entry) and not is_hidden(entry.name)]


def leave_beside(folder: Path, taken: Sequence[Path], left: LeftOut) -> None:
    """Notes what lies in a folder beside those folders that are taken."""
    for entry in entries(folder):
        if is_hidden(entry.name) and _is_folder(entry):
            _leave_images(entry, endings(), left)
        elif not is_hidden(entry.name) and entry.name.lower() not in _NO_DATA and entry not in taken:
            left.add(BESIDE, entry)


def images_of(classes: Sequence[Path], left: LeftOut) -> dict[str, list[Path]]:
    """The images below each of these folders, in the order of their paths.

    A folder is read once, however many links lead to it; one that holds these folders, or is one of them, is not read
    through a link.
    """
    known = {_identity(above) for folder in classes[:1] for above in folder.absolute().parents}
    found: dict[str, list[Path]] = {}
    fresh = [folder for folder in classes if _first(folder, known, left)]
    for folder in classes:
        found[folder.name] = _below(folder, known, left) if folder in fresh else []
    return found


def _below(top: Path, known: set[tuple[int, int]], left: LeftOut) -> list[Path]:
    read, found, waiting = endings(), [], [top]
    while waiting:
        for entry in entries(waiting.pop()):
            if _is_folder(entry):
                if is_hidden(entry.name):
                    _leave_images(entry, read, left)
                elif _first(entry, known, left):
                    waiting.append(entry)
            elif is_hidden(entry.name) or entry.name.lower() in _NO_DATA:
                if entry.suffix.lower() in read:
                    left.add(HIDDEN, entry)
            elif obstacle(entry):
                left.add(NO_FILE, entry)
            elif entry.suffix.lower() in read:
                left.follow(entry)
                found.append(entry)
            else:
                left.add(ENDING, entry)
    return sorted(found, key=lambda path: path.parts)


def _leave_images(folder: Path, read: set[str], left: LeftOut) -> None:
    """Notes the images below a folder that is left out; links to folders are not followed."""
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            if Path(name).suffix.lower() in read:
                left.add(HIDDEN, Path(place) / name)


def _first(folder: Path, known: set[tuple[int, int]], left: LeftOut) -> bool:
    """Whether a folder was not met before; it is known from now on."""
    identity = _identity(folder)
    if identity in known:
        left.add(TWICE, folder)
        return False
    known.add(identity)
    left.follow(folder)
    return True


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise DataMissing(f"{printable(path)} cannot be read: {error.strerror}. Look at its rights.") from error
