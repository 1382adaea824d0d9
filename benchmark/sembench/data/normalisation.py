"""From stored images to what a network takes: resizing, three channels, normalisation by the training set."""

from __future__ import annotations

import json
from dataclasses import dataclass

import PIL
import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.data.image_files import ImageFiles
from sembench.data.memory import remembered
from sembench.errors import DataDamaged

Pixels = Tensor | ImageFiles
"""Images of a split: in memory, or in files that are decoded on demand."""

_CHUNK = 4096 * 3 * 8 * 32 * 32  # bytes of float64 images at a time, for statistics: 4,096 images of 32 pixels
_CONSTANT = 1e-12  # variance below which a channel's pixels differ by rounding only


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per colour channel, of the training set's pixels in [0, 1].

    Attributes:
        mean: Three channel means.
        std: Three standard deviations, all positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to zero mean and unit variance."""
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std


def to_pixel_space(pixels: Tensor, image_size: int) -> Tensor:
    """Stored images to ``(B, 3, H, W)`` float32 in [0, 1]: scaled, resized (bilinear), grey to three channels."""
    images = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if images.shape[-1] != image_size or images.shape[-2] != image_size:
        smaller = images.shape[-1] > image_size or images.shape[-2] > image_size
        images = F.interpolate(images, size=(image_size, image_size), mode="bilinear", antialias=smaller)
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def measure_normalisation(pixels: Pixels, image_size: int, chunk: int | None = None) -> Normalisation:
    """Statistics of training images ``(N, 1 or 3, H0, W0)`` once resized, in float64; those of files are remembered.

    ``chunk`` is the number of images per step, by default 100 MB of float64.

    Raises:
        DataDamaged: If a channel is constant.
    """
    chunk = chunk or max(1, _CHUNK // (3 * 8 * image_size**2))
    if isinstance(pixels, ImageFiles):
        what = f"statistics at {image_size} pixels in {pixels.boxes} as seen, Pillow {PIL.__version__}"
        found = json.loads(remembered(what, pixels.paths, lambda: json.dumps(_statistics(pixels, image_size, chunk))))
        return Normalisation(*map(tuple, found))
    return Normalisation(*_statistics(pixels, image_size, chunk))


def _statistics(pixels: Pixels, image_size: int, chunk: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    total, squares, count = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
    for part in pixels.split(chunk):
        images = to_pixel_space(part, image_size).double()
        total += images.sum((0, 2, 3))
        squares += images.square().sum((0, 2, 3))
        count += images[:, 0].numel()
    mean = total / count
    variance = squares / count - mean.square()
    if bool((variance < _CONSTANT).any()):
        raise DataDamaged("every training image has the same constant colour in some channel; look at the files.")
    return tuple(mean.tolist()), tuple(variance.sqrt().tolist())
