"""Which stored figures belong into a report, and to what? Their folders and names say: suite, data set, explainer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import SembenchError
from benchmark.results import Result

_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Figure:
    """A figure inside the page.

    Attributes:
        dataset: The data set that it shows; ``None`` where it belongs to the suite as a whole.
        explainer: The entry that it shows; ``None`` where it compares several.
        caption: What it is, from the name of its file.
        source: The image as an address that holds it.
    """

    dataset: str | None
    explainer: str | None
    caption: str
    source: str


def find_figures(
    root: Path, suite: str, results: Iterable[Result], *, general: bool = True
) -> tuple[list[Figure], dict[str, str]]:
    """The figures below a folder that belong to a suite's results.

    A file lies at ``<root>/[<suite>/][<data set>/[<explainer>/]]<name>.png`` or ``.svg``. A name that ends with that of
    one explainer, as in ``prototypes-kmex``, stands for its folder. Of two files with the same name the smaller one is
    taken. Further folders, such as ``seed-0``, become part of the caption.

    Args:
        root: Folder of figures.
        suite: The suite; a folder of this name may lie above those of data sets.
        results: The results of the suite; a figure of another data set, or of another suite, is left out.
        general: Whether to take figures that belong to no single data set, which may show any.

    Returns:
        The figures, ordered by path; and by path relative to the folder why others were left out.

    Raises:
        SembenchError: If the folder does not exist, or a file is not what its name says.
    """
    if not root.is_dir():
        raise SembenchError(f"no folder of figures at {root}. Name one that exists, or leave out --figures.")
    entries = {(result.dataset, result.explainer) for result in results}
    datasets = {dataset for dataset, _ in entries}
    found: list[Figure] = []
    left_out: dict[str, str] = {}
    for path in _smallest(root):
        place = list(path.relative_to(root).parts[:-1])
        if place and place[0] == suite:
            del place[0]
        dataset = place.pop(0) if place else None
        explainer = place.pop(0) if place and (dataset, place[0]) in entries else None
        title, named = _parted(path.stem, [label for name, label in entries if name == dataset])
        if explainer is None and len(named) == 1:
            explainer = named[0]
        else:
            title = path.stem
        if dataset is not None and dataset not in datasets:
            left_out[path.relative_to(root).as_posix()] = f"these results have no data set {dataset}"
        elif dataset is None and not general:
            left_out[path.relative_to(root).as_posix()] = "it may show data that is left out"
        else:
            caption = ", ".join(name.replace("-", " ").replace("_", " ") for name in [title, *place])
            found.append(Figure(dataset, explainer, caption, _address(path)))
    return found, left_out


def _parted(stem: str, labels: Iterable[str]) -> tuple[str, list[str]]:
    """The name of a file without the explainers at its end, and these."""
    named: list[str] = []
    longest_first = sorted(labels, key=len, reverse=True)
    while found := next((label for label in longest_first if stem.endswith(f"-{label}")), None):
        named.append(found)
        stem = stem.removesuffix(f"-{found}")
    return stem, named


def _smallest(root: Path) -> list[Path]:
    """One file per name, hidden ones left out, ordered by path."""
    chosen: dict[Path, Path] = {}
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in _TYPES and path.is_file()):
        name = path.relative_to(root).with_suffix("")
        if any(part.startswith(".") for part in name.parts):
            continue
        if name not in chosen or path.stat().st_size < chosen[name].stat().st_size:
            chosen[name] = path
    return [chosen[name] for name in sorted(chosen)]


def _address(path: Path) -> str:
    content, suffix = path.read_bytes(), path.suffix.lower()
    sound = content.startswith(b"\x89PNG\r\n\x1a\n") if suffix == ".png" else b"<svg" in content
    if not sound:
        raise SembenchError(f"{path} is not what its name says: no {suffix[1:].upper()} image. Draw it again.")
    return f"data:{_TYPES[suffix]};base64,{b64encode(content).decode()}"
