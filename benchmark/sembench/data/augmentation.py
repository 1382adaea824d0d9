"""Random variation of training images: each is flipped with some probability, padded with zeros and cropped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Random flips and crops of images in pixel space; the defaults are those of the KMEx paper.

    Attributes:
        flip: Probability of a flip from left to right.
        pad: Zeros put around the image before a window of the image's own size is cut out, pixels.
    """

    flip: float = 0.5
    pad: int = 2

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Varies images ``(B, channels, H, W)``, each by three draws of its own from a generator on the CPU."""
        count, channels, height, width = images.shape
        draws = torch.rand(count, 3, generator=generator).to(images.device)
        down, across = (draws[:, :2] * (2 * self.pad + 1)).long().unbind(1)
        rows = down[:, None] + torch.arange(height, device=images.device)
        columns = across[:, None] + torch.arange(width, device=images.device)
        columns = torch.where(draws[:, 2:] < self.flip, columns.flip(1), columns)
        padded = F.pad(images, (self.pad,) * 4)
        band = padded.gather(2, rows[:, None, :, None].expand(-1, channels, -1, padded.shape[3]))
        return band.gather(3, columns[:, None, None, :].expand(-1, channels, height, -1))

    def __str__(self) -> str:
        return f"flip {self.flip:g}, zero-pad {self.pad} and random crop"
