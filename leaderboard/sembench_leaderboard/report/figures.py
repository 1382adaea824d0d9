"""Stored figures of a report. Their folders and names say what they belong to: suite, data set, explainer."""

from __future__ import annotations

import io
import re
import warnings
from base64 import b64encode
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from sembench.errors import SembenchError
from sembench.results.result import Result

LARGEST = 500_000
"""Bytes that one picture may take."""

_MOST_PIXELS = 40_000_000  # a picture of 300 dots per inch on a sheet of paper has 9 million
_WIDTH = 1600  # pixels that a large picture is scaled down to


class TooLarge(SembenchError):
    """A picture that cannot be made small enough."""


def address(path: Path) -> str:
    """The content of a PNG or SVG file as an address (``data:``).

    Raises:
        TooLarge: If it is too large and cannot be made smaller.
        SembenchError: If the file is not what its name says.
    """
    kind, content = _svg(path) if path.suffix.lower() == ".svg" else _png(path)
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _svg(path: Path) -> tuple[str, bytes]:
    content = path.read_bytes()
    if b"<svg" not in content:
        raise _damaged(path)
    if len(content) > LARGEST:
        size = f"{len(content) / 1e6:.1f} MB, more than {LARGEST / 1e6:g} MB"
        raise TooLarge(f"it takes {size}, and an SVG cannot be scaled down: store a PNG beside it")
    return "svg+xml", content


def _png(path: Path) -> tuple[str, bytes]:
    content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            image = Image.open(io.BytesIO(content), formats=["PNG"])
        if image.width * image.height > _MOST_PIXELS:
            raise TooLarge(f"it has more than {_MOST_PIXELS:,} pixels, {image.width} x {image.height}: draw it smaller")
        pixels = image.convert("RGB" if image.mode in ("1", "L", "RGB") else "RGBA")
    except Image.DecompressionBombError as error:
        raise TooLarge(f"it has more than {_MOST_PIXELS:,} pixels: draw it smaller") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:  # as Pillow reports damages of different kinds
        raise _damaged(path) from error
    smaller = _webp(pixels, lossless=True)
    if len(smaller) > LARGEST:
        pixels.thumbnail((_WIDTH, _MOST_PIXELS))
        smaller = _webp(pixels, lossless=False)
    if len(smaller) > LARGEST:
        size = f"{len(smaller) / 1e6:.1f} MB, more than {LARGEST / 1e6:g} MB"
        raise TooLarge(f"it takes {size} even when scaled down to {_WIDTH} pixels across: draw less on it")
    return ("webp", smaller) if len(smaller) < len(content) else ("png", content)


def _webp(pixels: Image.Image, *, lossless: bool) -> bytes:
    written = io.BytesIO()
    pixels.save(written, "WEBP", lossless=lossless, quality=50 if lossless else 85, method=4)
    return written.getvalue()


def _damaged(path: Path) -> SembenchError:
    return SembenchError(f"{path} is not what its name says: no {path.suffix[1:].upper()} image. Draw it again.")


_TYPES = (".png", ".svg")
_WHOLE = 30_000_000  # letters that all pictures of a page may take
# What `sembench show` calls a file, and what it is.
_TITLES = {
    "looks-like": "this looks like that",
    "relevance": "relevance maps",
    "concepts": "explanation maps",
    "curves": "relevance-order curves",
    "ablations": "radar charts of ablations",
}


@dataclass(frozen=True)
class Figure:
    """A figure inside the page.

    Attributes:
        dataset: The data set that it shows; ``None`` where it belongs to the suite as a whole.
        explainer: The entry that it shows; ``None`` where it compares several.
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

    A file lies at ``<root>/[<suite>/][<data set>/[<explainer>/]]<name>.png`` or ``.svg``, as `sembench show` leaves
    it. A name that ends with that of one explainer, as in ``prototypes-kmex``, stands for its folder, and so does
    the data set of ``curves-<data set>`` and ``ablations-<data set>``. Of two files with the same name the one that
    takes less is taken. Further folders, such as ``seed-0``, become part of the caption. A figure of a data set that is
    not among the results is left out; ``general`` says whether to take those of no single one, which may show any.

    Returns:
        The figures, ordered by path; and by path relative to the folder why others were left out: they show other
        data, or are too large.

    Raises:
        SembenchError: If the folder does not exist, or a file is not what its name says.
    """
    if not root.is_dir():
        raise SembenchError(f"no folder of figures at {root}. Name one that exists, or leave out --figures.")
    entries = {(result.dataset, result.explainer) for result in results}
    found: list[Figure] = []
    left_out: dict[str, str] = {}
    taken = 0
    for path in _smallest(root):
        name = path.relative_to(root)
        dataset, explainer, caption = _place(name, suite, entries)
        if dataset is not None and dataset not in {known for known, _ in entries}:
            left_out[name.as_posix()] = f"these results have no data set {dataset}"
        elif dataset is None and not general:
            left_out[name.as_posix()] = "it may show data that is left out"
        else:
            try:
                figure = Figure(dataset, explainer, caption, address(path))
            except TooLarge as why:
                left_out[name.as_posix()] = str(why)
                continue
            if taken + len(figure.source) > _WHOLE:
                left_out[name.as_posix()] = f"a page holds {_WHOLE // 10**6} MB of figures: name a folder with fewer"
                continue
            taken += len(figure.source)
            found.append(figure)
    return found, left_out


def _place(name: Path, suite: str, entries: Collection[tuple[str, str]]) -> tuple[str | None, str | None, str]:
    """The data set and the entry that a figure belongs to, and its caption."""
    folders = list(name.parts[:-1])
    if folders and folders[0] == suite:
        del folders[0]
    title = name.stem
    if folders:
        dataset: str | None = folders.pop(0)
    else:
        drawn = re.fullmatch(r"(curves|ablations)-(.+)", title)
        dataset = drawn[2] if drawn and drawn[2] in {known for known, _ in entries} else None
        title = drawn[1] if drawn and dataset else title
    explainer = folders.pop(0) if folders and (dataset, folders[0]) in entries else None
    shorter, named = _parted(title, [label for known, label in entries if known == dataset])
    if explainer is None and len(named) == 1:
        title, explainer = shorter, named[0]
    several = re.fullmatch(r"(.+)-(\d+-explainers)", title)
    parts = [*(several.groups() if several else [title]), *folders]
    return dataset, explainer, ", ".join(_TITLES.get(part, re.sub("[-_]", " ", part)) for part in parts)


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
        if name not in chosen or _share(path) < _share(chosen[name]):
            chosen[name] = path
    return [chosen[name] for name in sorted(chosen)]


def _share(path: Path) -> float:
    """About how many bytes of the page a file will take: a PNG is stored in half of its own."""
    return path.stat().st_size * (1.0 if path.suffix.lower() == ".svg" else 0.5)
