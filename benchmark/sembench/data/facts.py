"""The facts of a data set that its models need: classes, and how its images are prepared; new images likewise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sembench.data.arrays import checked_pixels
from sembench.data.image_files import decode
from sembench.data.normalisation import Normalisation, to_pixel_space
from sembench.data.seeing import as_seen
from sembench.errors import DataDamaged

NewImage = Path | str | Image.Image | NDArray[Any] | Tensor
"""A file, a Pillow image, an array ``(H, W)`` or ``(H, W, 3)``, a tensor ``(1 or 3, H, W)``; uint8, or floats in [0, 1]
that are not normalised."""


@dataclass(frozen=True)
class DataFacts:
    """What a model has to know of the data set that it was fitted to.

    Attributes:
        name: Name of the data set.
        classes: Names of the classes, in label order.
        image_size: Height and width of the prepared images, pixels.
        normalisation: Applied after resizing.
        resized_by: ``"pillow"``: images are resized in 8 bits when they are decoded, as `ImageFiles` does;
            ``"torch"``: as tensors, see `to_pixel_space`.
        cropped: Whether its images are cropped to boxes, which new images do not come with.
        licence: Licence of its images.
    """

    name: str
    classes: tuple[str, ...]
    image_size: int
    normalisation: Normalisation
    resized_by: Literal["pillow", "torch"]
    cropped: bool
    licence: str

    def pixels(self, image: NewImage) -> Tensor:
        """A new image as the data set's own are seen: in pixel space, ``(1, 3, image_size, image_size)`` in [0, 1].

        Raises:
            DataDamaged: If it is no image, or of another shape, type or range.
        """
        if isinstance(image, (np.ndarray, Tensor)):
            values = checked_pixels(_channels_first(image)[None], "the image")
            if values.dtype != torch.uint8 or self.resized_by == "torch":
                return to_pixel_space(values, self.image_size)
            image = Image.fromarray(values[0].expand(3, -1, -1).permute(1, 2, 0).numpy())
        elif not isinstance(image, (str, Path, Image.Image)):
            raise DataDamaged(
                f"the image is a {type(image).__name__}; accepted are a path, a Pillow image, an array (H, W) or "
                "(H, W, 3), a tensor (1 or 3, H, W), or a sequence of these."
            )
        seen = decode(image, self.image_size) if self.resized_by == "pillow" else as_seen(image)
        return to_pixel_space(seen[None], self.image_size)


def one_by_one(images: NewImage | Sequence[NewImage]) -> list[NewImage] | None:
    """The images of a sequence, or of an array or tensor ``(N, ...)``; ``None`` where it is a single one."""
    if isinstance(images, (str, Path, Image.Image)):
        return None
    if isinstance(images, (np.ndarray, Tensor)):
        return list(images) if images.ndim == 4 else None
    return list(images) if isinstance(images, Sequence) else None


def _channels_first(image: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
    """Grey gets its channel; an array with its channels last, as Pillow and Matplotlib have them, is turned."""
    if image.ndim == 2:
        return image[None]
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] in (1, 3):
        return image.transpose(2, 0, 1)
    return image
