"""Images as a person sees them: upright, on a white ground, in 8 bits of red, green and blue; or refused by name.

What a viewer does with a file is done here, once for data sets and for new images:

- EXIF (and XMP) orientations 1 to 8 are applied.
- 16-bit grey, and 12-bit grey of TIFF files, is scaled so that the format's white is 255: 16 bits by 1/257. Pillow
  itself brings 16-bit colour to 8 bits, by its upper byte.
- Transparency, as a channel, in a palette or as one colour of a PNG, is laid on white **[ours]**: the ground of paper
  and of most viewers, and the same for every image, so that no difference of grounds can be learned.
- CMYK, YCbCr, LAB, HSV, palettes and 1-bit images are converted to RGB. Colour profiles (ICC) are ignored.
- Of an animation or of several pages the first is taken.
- Floats and integers of 32 bits have no white that is known, and are refused.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFile, UnidentifiedImageError
from torch import Tensor

from sembench.errors import DataDamaged

MOST_PIXELS = 89_478_485
"""Pixels that one image may have: where Pillow begins to warn of decompression bombs."""

_PIXELS_AT_ONCE = 2**25  # decoded at the same time by all threads, about 10 bytes each; a larger image is decoded alone
_ORIENTATION = 0x0112  # EXIF tag
_BITS, _PHOTOMETRIC = 258, 262  # TIFF tags
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NO_PICTURES = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "PDF", "SPIDER", "WMF"}  # arrays, films, programs
_SEVERAL = {"AVIF", "DCX", "FLI", "GIF", "IM", "PNG", "TIFF", "WEBP"}  # MPO and PSD hold previews and layers
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_GREY_16 = ("JPEG2000", "PNG", "PPM")  # 16 bits of these formats may come in Pillow's mode I
_ADVICE = "Put an intact copy in its place, or move it out of the data set."


def formats() -> list[str]:
    """The formats of pictures that Pillow reads, those of its plugins included; not programs, films and raw arrays."""
    Image.init()
    return [name for name in Image.ID if name not in _NO_PICTURES]


def endings() -> set[str]:
    """The endings of those formats' files, in lower case, with the dot."""
    known = set(formats())
    return {ending for ending, name in Image.registered_extensions().items() if name in known}


def printable(path: Path | str) -> str:
    """A path for messages; bytes that are not UTF-8 are written as hexadecimal numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def as_seen(image: Path | str | Image.Image) -> Tensor:
    """An image, of a file or of Pillow, as uint8 ``(3, H, W)``.

    Raises:
        DataDamaged: If it cannot be read, is no picture, has too many pixels, or its values have no known white.
    """
    with opened(image) as seen:
        return tensor_of(seen)


def tensor_of(image: Image.Image) -> Tensor:
    """An RGB image of Pillow as uint8 ``(3, H, W)``."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@contextmanager
def opened(image: Path | str | Image.Image) -> Iterator[Image.Image]:
    """The image in mode RGB, as seen; inside the block its pixels count among those that are decoded at once.

    Raises:
        DataDamaged: See `as_seen`; also for what Pillow raises inside the block.
    """
    name = "the image" if isinstance(image, Image.Image) else printable(image)
    try:
        with header(image) as found, _ROOM.taken(found.width * found.height):
            _check_mode(found, name)
            yield _seen(found)
    except DataDamaged:
        raise
    except MemoryError as error:
        raise DataDamaged(f"{name} does not fit in memory. Make it smaller, or use more memory.") from error
    except Exception as error:  # decoders raise anything on damaged bytes; nothing of it may lack the file's name
        said = str(error).strip().rstrip(".") or type(error).__name__
        raise DataDamaged(f"{name} is damaged or no image: {said}. {_ADVICE}") from error


@contextmanager
def header(image: Path | str | Image.Image) -> Iterator[Image.Image]:
    """An image of which only the header is read.

    Raises:
        DataDamaged: If it is no file of a picture, or has too many pixels.
    """
    if isinstance(image, Image.Image):
        _check_size(image.width * image.height, "the image")
        yield image
        return
    name = printable(image)
    wrong = obstacle(Path(image))
    if wrong:
        raise DataDamaged(f"{name} is {wrong}. Name a file that holds an image.")
    try:
        # Not by its path: Pillow would map grey TIFF files into memory, and maps those that lie on their side wrongly.
        with Path(image).open("rb") as file, Image.open(file, formats=formats()) as found:
            _check_size(found.width * found.height, name)
            yield found
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, str(error)) from error
    except UnidentifiedImageError as error:
        raise DataDamaged(f"{name} is damaged or no image: {_content(Path(image))}. {_ADVICE}") from error


def obstacle(path: Path) -> str:
    """What stands at a path instead of a regular file; empty if it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link to nothing" if path.is_symlink() else "not there"
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a NUL in a name
        loop = isinstance(error, OSError) and error.errno == errno.ELOOP
        return "a loop of links" if loop else f"not to be read ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode):
        return ""
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"


def has_several_frames(path: Path) -> bool:
    """Whether a file holds an animation or several pages; not if it cannot be read, which decoding it will tell."""
    try:
        with header(path) as found:
            return found.format in _SEVERAL and bool(getattr(found, "is_animated", getattr(found, "n_frames", 1) > 1))
    except (DataDamaged, OSError, SyntaxError, ValueError, EOFError):
        return False


def _content(path: Path) -> str:
    """What a file of no known format holds, as a reason."""
    with path.open("rb") as file:
        begin = file.read(8)
    if not begin:
        return "it is empty"
    return f"it begins with {begin!r}, and Pillow knows no picture of that format, or not with such pixels"


def _check_size(pixels: int, name: str) -> None:
    if pixels > MOST_PIXELS:
        raise _too_large(name, f"it has {pixels:,} pixels")


def _too_large(name: str, found: str) -> DataDamaged:
    return DataDamaged(f"{name} is too large: {found.rstrip('.')}; at most {MOST_PIXELS:,} are read. Make it smaller.")


class _Room:
    """Pixels that all threads may decode at once."""

    def __init__(self, pixels: int) -> None:
        self._all = self._free = pixels
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until these pixels are free, or all where they are more than all."""
        wanted = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


_ROOM = _Room(_PIXELS_AT_ONCE)


def _seen(image: Image.Image) -> Image.Image:
    stored = str(getattr(image, "tile", None) and image.tile[0][3])  # type: ignore[attr-defined]
    if isinstance(image, ImageFile.ImageFile):
        named, image.filename = image.filename, ""  # not mapped into memory, see `header`
        image.load()  # TIFF files are turned here, and say no more of it afterwards
        image.filename = named
    colour = _on_white(image, stored)
    turn = _TURNS.get(_orientation(image))
    return colour if turn is None else colour.transpose(turn)


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001  a viewer shows an image of unreadable EXIF as it is stored
        return None


def _on_white(image: Image.Image, stored: str) -> Image.Image:
    """The image in RGB, its transparency laid on white; ``stored`` is how the file holds a pixel, in Pillow's words."""
    alpha = _alpha(image, stored)
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    elif image.mode == "La":
        image = image.convert("LA")
    colour = image if image.mode == "RGB" else image.convert("RGBA" if image.mode in _WITH_ALPHA else "RGB")
    if alpha is None:
        return colour
    ground = Image.new("RGB", image.size, "white")
    ground.paste(colour, mask=alpha)
    return ground


def _alpha(image: Image.Image, stored: str) -> Image.Image | None:
    """The opacity of the pixels, of 8 bits; ``None`` where all are opaque."""
    key = image.info.get("transparency")
    if stored in ("None", "[]") and image.mode == "L" and isinstance(key, int) and 0 < key < 16:
        raise DataDamaged(
            f"the image was loaded before, and its transparent grey, {key}, may be of 2, 4 or 8 bits. Give its path."
        )
    if key is not None and (image.mode in ("1", "L", "RGB") or image.mode.startswith("I")):
        values = np.asarray(image.convert("L") if image.mode == "1" else image)
        same = values == np.asarray(_in_bits_of_pixels(key, stored))
        return Image.fromarray(np.where(same if same.ndim == 2 else same.all(2), 0, 255).astype(np.uint8))
    in_palette = image.mode == "P" and (key is not None or str(image.palette and image.palette.mode).endswith("A"))
    if in_palette or image.mode in _WITH_ALPHA:
        return (image.convert("LA") if image.mode == "La" else image).convert("RGBA").getchannel("A")
    return None


def _in_bits_of_pixels(key: Any, stored: str) -> Any:
    """The transparent colour of a PNG, which is stated in the file's bits, as Pillow brings it to 8."""
    if isinstance(key, tuple) and (stored == "RGB;16B" or max(key) > 255):
        return [value >> 8 for value in key]
    return key * {"L;2": 85, "L;4": 17}.get(stored, 1)


def _check_mode(image: Image.Image, name: str) -> None:
    if image.mode == "F" or (image.mode == "I" and image.format not in _GREY_16):
        kind = "32-bit floats" if image.mode == "F" else "32-bit or signed integers"
        raise DataDamaged(
            f"{name} has mode {image.mode}: {kind}, of which it is not known what is white. Save it with 8 bits or "
            "unsigned 16 bits a channel."
        )


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, or of 12 in TIFF files, in 8 bits."""
    values = np.asarray(image).astype(np.uint32)
    tags = getattr(image, "tag_v2", {})
    white = 2 ** int(tags.get(_BITS, (16,))[0]) - 1
    eight = ((values * 255 + white // 2) // white).astype(np.uint8)
    return Image.fromarray(255 - eight if tags.get(_PHOTOMETRIC) == 0 else eight)  # 0: white is zero
