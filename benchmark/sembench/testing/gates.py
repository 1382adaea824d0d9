"""Exact counts of what a computation costs, and gates on them and on ratios that are measured within one process.

Counts are the same on an idle and on a busy machine. No gate knows an absolute time, so a slow machine turns none of
them red. Each is a function of something measured, so that a test can plant a slowdown and see it caught.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sembench.cost import PassCounter
from sembench.errors import SembenchError


@dataclass(frozen=True)
class Tally:
    """The exact cost of one computation.

    Attributes:
        passes: Forward passes of the network.
        images: Images in all passes together.
        operations: Operations on tensors. They depend on the version of torch, not on the machine's load.
        peak_bytes: Most bytes of tensors that were made by the computation and held at one time.
    """

    passes: int
    images: int
    operations: int
    peak_bytes: int

    def counts(self) -> dict[str, int]:
        """The counts by name."""
        return dataclasses.asdict(self)


def tally(function: Callable[[], object], network: nn.Module | None = None) -> Tally:
    """Runs a computation once and counts what it does, passes and images only if it is given the network.

    Tensors that a library holds outside torch, such as NumPy arrays of its own, are not seen.
    """
    watch = _Watch()
    with PassCounter(network or nn.Identity()) as counter, watch:
        kept = function()  # what it returns counts as held
    del kept
    return Tally(counter.passes, counter.images, watch.operations, watch.peak)


class _Watch(TorchDispatchMode):
    """Sees every operation on tensors, those of the backward pass included."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        self.peak = 0
        self._held: dict[int, tuple[Any, int]] = {}
        self._foreign: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.operations += 1
        given = {_key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _key(leaf) not in given:
                storage = leaf.untyped_storage()
                self._held[_key(leaf)] = (StorageWeakRef(storage), storage.nbytes())
        self._held = {key: held for key, held in self._held.items() if not held[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._held.values()))
        return result


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class TooCostly(SembenchError):
    """A computation costs more than its gate lets through, or other than what is written down for it."""


def exact_passes(what: str, found: Tally, *, passes: int, images: int) -> None:
    """Lets a computation through that makes exactly these forward passes, of ``images`` images in all.

    Raises:
        TooCostly: If it makes others. If fewer, the gate is to be lowered, so that the gain is kept.
    """
    if (found.passes, found.images) == (passes, images):
        return
    more = (found.passes, found.images) > (passes, images)
    remedy = "Find the pass that is not needed." if more else "If it is as right as before, lower what is expected."
    raise TooCostly(
        f"{what}: {found.passes} forward passes of {found.images} images in all, where {passes} of {images} are "
        f"expected. {remedy}"
    )


def no_loop_over_images(what: str, few: Tally, many: Tally) -> None:
    """Lets a computation through that takes as many steps for many images as for few, if both fill one batch.

    Raises:
        TooCostly: If operations or forward passes grow with the number of images.
    """
    if many.passes > few.passes or many.operations > few.operations:
        raise TooCostly(
            f"{what}: {few.operations} operations and {few.passes} forward passes on few images, {many.operations} and "
            f"{many.passes} on many, all in one batch. Work on the whole batch instead of looping over its images."
        )


def bytes_per_image(what: str, few: Tally, many: Tally, *, images: int, at_most: int) -> float:
    """Lets a computation through whose memory hardly grows with the number of images, the batch being the same.

    Returns:
        The bytes held for each of the further ``images``, which ``many`` counts beyond ``few``.

    Raises:
        TooCostly: If they are more than ``at_most``.
    """
    grown = (many.peak_bytes - few.peak_bytes) / images
    if grown > at_most:
        raise TooCostly(
            f"{what}: holds {grown:,.0f} bytes for each further image, where {at_most:,} are expected at most. Keep "
            "what the result needs of a batch, not the batch."
        )
    return grown


def ratio(function: Callable[[], object], baseline: Callable[[], object], *, repetitions: int = 5) -> float:
    """Processor time of a computation, in multiples of that of a baseline.

    Both run in turn, on one thread. The least of each counts: whatever disturbs a run can only prolong it. Processor
    time leaves out what other programs take.
    """
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with _one_thread():
        for _ in range(repetitions):
            for measured in (True, False):
                started = time.process_time()
                (function if measured else baseline)()
                seconds[measured].append(time.process_time() - started)
    return min(seconds[True]) / max(min(seconds[False]), 1e-9)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def within(
    what: str,
    function: Callable[[], object],
    baseline: Callable[[], object],
    *,
    at_most: float,
    repetitions: int = 5,
    tries: int = 3,
) -> float:
    """Lets a computation through whose processor time is at most a given multiple of a baseline's.

    The baseline is the forward passes that it cannot do without. A ratio above the limit is measured again, up to
    ``tries`` times: a disturbance passes, a slowdown stays.

    Returns:
        The least ratio that was measured.

    Raises:
        TooCostly: If every try is above the limit.
    """
    for warm_up in (function, baseline):
        warm_up()
    found: list[float] = []
    while len(found) < tries:
        found.append(ratio(function, baseline, repetitions=repetitions))
        if found[-1] <= at_most:
            return min(found)
    raise TooCostly(
        f"{what}: takes {min(found):.3g} times as long as its forward passes in the best of {tries} measurements, "
        f"where {at_most:g} is the limit. Look for work that is done twice, or one image at a time."
    )
