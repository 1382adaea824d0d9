"""How does the page hold a stored picture? As an address that is the picture itself, in as few bytes as will do.

A PNG becomes lossless WebP: the same pixels in about half the bytes. One that is still large becomes smaller.
"""

from __future__ import annotations

import io
import warnings
from base64 import b64encode
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from benchmark.errors import SembenchError

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
