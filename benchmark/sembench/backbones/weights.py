"""Reads weights from safetensors, or from ``.pth`` without running its code, into a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from sembench.errors import SuiteInvalid, in_one_line

SUFFIXES = (".safetensors", ".pth", ".pt")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # under which training scripts keep the weights
_PARALLEL = "module."  # what DataParallel puts before every name


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, by name.

    Args:
        path: A ``.safetensors`` file, or a ``.pth`` or ``.pt`` file that holds a state dictionary, possibly under
            ``state_dict``, ``model_state_dict`` or ``model``; in either, names may begin with ``module.``.

    Raises:
        SuiteInvalid: If the file cannot be read, or holds anything but weights.
    """
    if path.suffix not in SUFFIXES:
        raise SuiteInvalid(f"the weights {str(path)!r} are not of a known kind; accepted are {', '.join(SUFFIXES)}.")
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fails on a damaged file with errors of any kind
        raise SuiteInvalid(
            f"the weights {str(path)!r} cannot be read: {in_one_line(error)}. Only tensors are read, no other "
            "object: save model.state_dict(), or write safetensors."
        ) from error
    return _unwrapped(content, path)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Puts weights into a network, all of them or none.

    Raises:
        SuiteInvalid: If names or shapes do not agree; names the first of them.
    """
    own = network.state_dict()
    missing, left = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
    wrong = [name for name in own if name in weights and own[name].shape != weights[name].shape]
    if missing or left or wrong:
        parts = [
            f"{len(names)} {what} (first {names[0]!r})"
            for what, names in (("are missing", missing), ("are unknown to it", left), ("have another shape", wrong))
            if names
        ]
        raise SuiteInvalid(
            f"the weights {origin!r} do not fit the network of {len(own)} tensors: {', '.join(parts)}. They have to "
            "come from the same architecture with the same number of classes."
        )
    network.load_state_dict(weights)


def not_fetched(address: str, error: Exception) -> SuiteInvalid:
    """The error of published weights that cannot be fetched."""
    return SuiteInvalid(
        f"ImageNet weights could not be fetched from {address}: {error}. Put the file into torch's hub folder "
        "(torch.hub.get_dir() + '/checkpoints'), or use weights = 'none'."
    )


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    named = isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )
    if not named or not content:
        raise SuiteInvalid(
            f"the weights {str(path)!r} cannot be read: they hold no state dictionary, tensors by name; save "
            "model.state_dict()."
        )
    parallel = all(name.startswith(_PARALLEL) for name in content)
    return {name.removeprefix(_PARALLEL) if parallel else name: value for name, value in content.items()}
