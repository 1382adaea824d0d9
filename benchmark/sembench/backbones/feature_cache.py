"""Caches feature maps of a frozen backbone by batch content, so that the entries of a board share forward passes.

Every explainer that is fitted to a frozen network, and every metric, passes over the same batches of training and test
images. The first pass is kept here and later ones are answered from it, to the last bit. Counts of passes and times are
reported as if each had been made: the cost of an entry must not depend on the entries before it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import torch
from torch import Tensor

from sembench.cost import PassCounter, Pausable


class FeatureCache(Pausable):
    """Feature maps by the content of the batch of images that they were computed from.

    While it is paused every pass is made. Nothing is dropped to make room: batches come in cycles, and a memory that
    forgets the oldest would never answer.

    Args:
        limit: Bytes that the maps may take; what comes later is computed every time.

    Attributes:
        held: Bytes that they take.
        watchers: Counters of passes that were answered from here.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.watchers: list[PassCounter] = []
        self._maps: dict[bytes, tuple[list[Tensor], float]] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> None:
        """A copy of a network remembers nothing: its weights may become others."""
        return

    def __reduce__(self) -> tuple[type[FeatureCache], tuple[int]]:
        """Elsewhere it starts empty."""
        return FeatureCache, (self.limit,)

    def maps(self, images: Tensor, compute: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        """The feature maps of a batch ``(B, 3, H, W)``: copies of what is kept, or computed and kept."""
        if self._paused or images.device.type != "cpu":
            return compute(images)
        key = _key(images)
        if key in self._maps:
            maps, seconds = self._maps[key]
            for watcher in self.watchers:
                watcher.recalled(len(images), seconds)
            return [part.clone() for part in maps]
        started = time.perf_counter()
        maps = compute(images)
        seconds = time.perf_counter() - started
        size = sum(part.nbytes for part in maps)
        if self.held + size <= self.limit:
            self._maps[key] = [part.clone() for part in maps], seconds
            self.held += size
        return maps


def _key(images: Tensor) -> bytes:
    """Hash of values, shape, type and memory order: all that the bits of a pass depend on."""
    total = hashlib.blake2b(f"{tuple(images.shape)} {images.stride()} {images.dtype}".encode(), digest_size=20)
    total.update(images.detach().contiguous().view(torch.uint8).numpy().data)
    return total.digest()
