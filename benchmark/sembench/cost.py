"""Costs: exact counts of forward passes and images, and memory."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor, nn


class Pausable:
    """Something that watches forward passes and can look away for a while."""

    _paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves passes inside this block uncounted: they are another's cost, or made to be timed."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before


class PassCounter(Pausable):
    """Counts how often a network is run, and on how many images, while the context is open.

    It watches the network's first convolution (or linear layer), so it also sees passes made behind the interface,
    such as those of relevance propagation. Passes that a frozen network recalls count as if they had been made. The
    hook is gone afterwards.

    Args:
        network: A module; one without a layer to watch counts nothing.

    Attributes:
        passes: Calls of the network.
        images: Images over all calls.
        recalled_seconds: What the recalled passes took when they were made, s.
    """

    def __init__(self, network: nn.Module) -> None:
        layers = (layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear)))
        self._layer = next(layers, None)
        found = (getattr(module, "feature_cache", None) for module in network.modules())
        self._told_by: list[list[PassCounter]] = [feature_cache.watchers for feature_cache in found if feature_cache]
        self._handle: torch.utils.hooks.RemovableHandle | None = None
        self.passes = 0
        self.images = 0
        self.recalled_seconds = 0.0

    def __deepcopy__(self, memo: dict[int, object]) -> PassCounter:
        """A copy of a watched network is watched by the same counter: relevance propagation runs on one."""
        return self

    def _count(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not self._paused:
            self.passes += 1
            self.images += len(inputs[0])

    def recalled(self, images: int, seconds: float) -> None:
        """Counts a pass that was answered from the cache; ``seconds`` is what it took when it was made."""
        if not self._paused:
            self.passes += 1
            self.images += images
            self.recalled_seconds += seconds

    def __enter__(self) -> PassCounter:
        if self._layer is not None:
            self._handle = self._layer.register_forward_pre_hook(self._count)
        for watchers in self._told_by:
            watchers.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.remove()
        for watchers in self._told_by:
            watchers.remove(self)


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes: allocated on a GPU, else resident in this process since its start."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def tensor_count(tensors: dict[str, Tensor]) -> int:
    """Numbers in all tensors together."""
    return sum(tensor.numel() for tensor in tensors.values())


def hardware_memory() -> int:
    """Memory of the machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def hardware() -> dict[str, str | int]:
    """The machine, in words and numbers: processor, cores, memory in bytes, system."""
    processor = platform.processor() or platform.machine()
    if sys.platform == "linux":
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        processor = names[0] if names else processor
    return {
        "processor": processor,
        "cores": os.cpu_count() or 0,
        "memory_bytes": hardware_memory(),
        "system": f"{platform.system()} {platform.machine()}",
    }
