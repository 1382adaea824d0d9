"""What did a computation cost, exactly? Counts that are the same on an idle and on a busy machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sembench.cost import PassCounter


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
    """Runs a computation once and counts what it does.

    Args:
        function: The computation.
        network: The network whose passes are counted; without one, passes and images are 0.

    Returns:
        Its counts. Tensors that a library holds outside torch, such as NumPy arrays of its own, are not seen.
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
