"""Finds the weights in a file, in what a training script wrote around them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sembench.backbones.checkpoints import Unknown, read_checkpoint
from sembench.errors import SuiteInvalid

_USUAL = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights", "module", "params",
    "net_state_dict", "network_state_dict", "model_weights", "backbone",
)  # fmt: skip
_AVERAGED = re.compile(r"(?i)(?<![a-z])(ema|swa|averaged?)(?![a-z])")
_SKIPPED = re.compile(r"(?i)optim|sched|scaler|callback|loops|criterion|loss|hyper_?param")
_EXTRA = "_extra_state"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, by name, as the file names them; `sembench.backbones.loading` fits the names.

    Args:
        path: A file of ``torch.save`` or of safetensors, whatever its suffix: a state dictionary, or what a training
            script writes around it. Averaged weights (``ema``) beside the raw ones are left, with a warning.

    Raises:
        SuiteInvalid: If the file cannot be read, holds no weights, or several without saying which are meant.
    """
    content = read_checkpoint(path)
    found = [_Candidate(place, state) for place, state in _states(content)]
    usual = [state for state in found if state.usual and not state.averaged]
    for group in (usual, [state for state in found if not state.averaged], found):
        if len(group) == 1:
            return _chosen(group[0], found, path)
        if group:
            names = ", ".join(repr(state.name) for state in group)
            raise SuiteInvalid(
                f"the weights {str(path)!r} hold several state dictionaries: {names}. Save the one that is meant in a "
                "file of its own, with torch.save."
            )
    raise SuiteInvalid(f"the weights {str(path)!r} cannot be read: {_lack(content)}.")


def not_fetched(address: str, error: Exception) -> SuiteInvalid:
    """The error of published weights that cannot be fetched."""
    return SuiteInvalid(
        f"ImageNet weights could not be fetched from {address}: {error}. Put the file into torch's hub folder "
        "(torch.hub.get_dir() + '/checkpoints'), or use weights = 'none'."
    )


@dataclass(frozen=True)
class _Candidate:
    """A state dictionary in a file, and the keys under which it stands."""

    place: tuple[str, ...]
    state: dict[str, Any]

    @property
    def name(self) -> str:
        return ".".join(self.place)

    @property
    def averaged(self) -> bool:
        return any(_AVERAGED.search(key.replace("_", " ")) for key in self.place)

    @property
    def usual(self) -> bool:
        return all(key in _USUAL for key in self.place)


def _states(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The state dictionaries in a file with their places, at most three keys deep; no optimizer's."""
    if not isinstance(content, Mapping) or isinstance(content, Unknown) or len(place) > 3:
        return
    if content and all(isinstance(name, str) for name in content):
        if all(isinstance(value, Tensor) or name.endswith(_EXTRA) for name, value in content.items()):
            yield place, content  # type: ignore[misc]
            return
        for key, value in content.items():
            if not _SKIPPED.search(key):
                yield from _states(value, (*place, key))


def _chosen(candidate: _Candidate, found: list[_Candidate], path: Path) -> dict[str, Any]:
    left = [other.name for other in found if other.averaged and other is not candidate]
    if left:
        warnings.warn(
            f"{path} holds averaged weights too, {left[0]!r}; those under {candidate.name!r} are taken. To use the "
            "others, save them in a file of their own.",
            stacklevel=3,
        )
    elif candidate.averaged:
        warnings.warn(f"{path}: the averaged weights {candidate.name!r} are taken, the only ones.", stacklevel=3)
    return candidate.state


def _lack(content: Any) -> str:
    """Why there are no weights in a file."""
    inner = content.values() if isinstance(content, Mapping) and not isinstance(content, Unknown) else ()
    if any(isinstance(value, Unknown) and value.is_module for value in (content, *inner)):
        return (
            "it holds a whole pickled module, whose code would have to run; where that code is, save its weights: "
            "torch.save(torch.load('FILE', weights_only=False).state_dict(), 'weights.pth')"
        )
    keys = [str(key) for key in content][:8] if isinstance(content, Mapping) else []
    holds = f"a dictionary with {', '.join(map(repr, keys))}" if keys else f"a {type(content).__name__}"
    return f"it holds {holds}, no state dictionary (tensors by name); save model.state_dict()"
