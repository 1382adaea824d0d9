"""Puts the weights of a file into a network: finds them in what a training script wrote, and fits their names."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sembench.backbones.checkpoints import Unknown, read_checkpoint
from sembench.errors import SuiteInvalid, in_one_line

_WRAPPER = r"(?:_orig_mod|module|model|net|network|backbone)\."
_PARALLEL = re.compile(r"(?<![^.])(?:_orig_mod|module)\.")  # what compiling and DataParallel put before a submodule
_USUAL = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights", "module", "params",
    "net_state_dict", "network_state_dict", "model_weights", "backbone",
)  # fmt: skip
_AVERAGED = re.compile(r"(?i)(?<![a-z])(ema|swa|averaged?)(?![a-z])")
_SKIPPED = re.compile(r"(?i)optim|sched|scaler|callback|loops|criterion|loss|hyper_?param")
_EXTRA = "_extra_state"
_COUNT = "num_batches_tracked"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, by name, as the file names them; `load_weights` fits the names.

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


def load_weights(network: nn.Module, weights: Mapping[str, Any], origin: str) -> None:
    """Puts weights into a network, all of them or none, as ``load_state_dict(strict=True)`` does.

    Where the names do not fit as they are, what wrappers put before them is taken off: ``module.``, ``_orig_mod.``,
    ``model.``, ``net.``, ``network.``, ``backbone.``. A second name of a tensor that the network has under both may be
    missing. Floating-point weights of another type than the network's are converted, with a warning.

    Raises:
        SuiteInvalid: If names, shapes or types do not agree; names the first of them.
    """
    own = network.state_dict()
    before = {name: value.clone() for name, value in own.items() if _is_plain(value)}
    renamings = list(_renamings(tuple(weights), own))
    reason = ""
    for names in renamings:
        state = _completed({new: weights[old] for old, new in names.items()}, own)
        if not _agree(state, own):
            continue
        _require_numbers(state, own, origin)
        state._metadata = _metadata(weights, names, own)  # type: ignore[attr-defined]
        try:
            network.load_state_dict(state)
        except Exception as error:  # noqa: BLE001 - modules have hooks of their own for older files
            reason = reason or in_one_line(error).replace("\t", " ")
            with torch.no_grad():
                for name, value in before.items():
                    own[name].copy_(value)
        else:
            _say_converted(state, own, origin)
            return
    closest = min(renamings, key=lambda names: len(set(names.values()) ^ set(own)))
    raise _unfit({new: weights[old] for old, new in closest.items()}, own, origin, reason)


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


def _renamings(names: tuple[str, ...], own: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Ways to name a file's tensors, from the file's names to new ones: as they are, then with less before them."""
    yield {name: name for name in names}
    peeled = {name: name for name in names}
    while len({match and match[0] for match in (re.match(_WRAPPER, new) for new in peeled.values())}) == 1:
        if re.match(_WRAPPER, next(iter(peeled.values()))) is None:
            break
        peeled = {old: re.sub(f"^{_WRAPPER}", "", new) for old, new in peeled.items()}
        yield peeled
    single = {name: _peeled(name, own) for name in names}
    if len(set(single.values())) == len(single):
        yield single


def _peeled(name: str, own: Mapping[str, Any]) -> str:
    """One name with as little taken off as makes it the network's; unchanged if nothing does."""
    for form in (name, _PARALLEL.sub("", name)):
        while form not in own and re.match(_WRAPPER, form):
            form = re.sub(f"^{_WRAPPER}", "", form)
        if form in own:
            return form
    return name


def _completed(state: dict[str, Any], own: Mapping[str, Any]) -> OrderedDict[str, Any]:
    """The state with the second names of tensors that the network has under two names."""
    places: dict[tuple[Any, ...], str] = {}
    for name in own:
        if name in state and _is_plain(own[name]) and own[name].numel():
            places[_place(own[name])] = name
    for name, value in own.items():
        if name not in state and _is_plain(value) and value.numel() and (twin := places.get(_place(value))):
            state[name] = state[twin]
    return OrderedDict(state)


def _place(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and not nn.parameter.is_lazy(value)


def _agree(state: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether at least some names are the network's: others are left to its own hooks for older files."""
    return any(name in own for name in state)


def _require_numbers(state: Mapping[str, Any], own: Mapping[str, Any], origin: str) -> None:
    """Raises `SuiteInvalid` for a tensor that PyTorch would copy in silence as other numbers than were meant."""
    for name, value in state.items():
        mine = own.get(name)
        if not isinstance(value, Tensor) or not isinstance(mine, Tensor):
            continue
        kind = str(value.dtype).removeprefix("torch.")
        if value.is_meta or value.layout != torch.strided:
            what = "has no values (device meta)" if value.is_meta else f"is sparse ({value.layout})"
        elif value.is_quantized or (mine.is_floating_point() and not value.is_floating_point()):
            what = f"is of type {kind}, where the network has {str(mine.dtype).removeprefix('torch.')}"
        elif value.is_complex() and not mine.is_complex():
            what = f"is of type {kind}, where the network has whole numbers"
        elif value.is_floating_point() and not mine.is_floating_point() and not bool((value == value.round()).all()):
            what = f"holds fractions of type {kind}, where the network has whole numbers"
        else:
            continue
        raise SuiteInvalid(f"the weights {origin!r} do not fit: {name!r} {what}. Save them as float32.")


def _metadata(weights: Mapping[str, Any], names: Mapping[str, str], own: Any) -> OrderedDict[str, Any]:
    """Versions of the modules by their new names: the file's; where it has none, the network's present ones.

    A normalisation without a count of batches is older than the count, whatever the network's version.
    """
    given, present = getattr(weights, "_metadata", None), getattr(own, "_metadata", {})
    if not given:
        counted = {new.removesuffix(f".{_COUNT}") for new in names.values() if new.endswith(_COUNT)}
        older = {name.removesuffix(f".{_COUNT}") for name in own if name.endswith(_COUNT)} - counted
        return OrderedDict((module, {} if module in older else facts) for module, facts in present.items())
    moved = OrderedDict(given)
    for old, new in names.items():
        parts = new.split(".")
        for count in range(len(parts)):
            rest = ".".join(parts[count:])
            if old.endswith(rest) and (facts := given.get(old.removesuffix(rest).rstrip("."))) is not None:
                moved[".".join(parts[:count])] = facts
    return moved


def _say_converted(state: Mapping[str, Any], own: Mapping[str, Any], origin: str) -> None:
    kinds = sorted(
        {
            str(value.dtype).removeprefix("torch.")
            for name, value in state.items()
            if isinstance(value, Tensor) and isinstance(own.get(name), Tensor)
            if own[name].is_floating_point() and value.dtype != own[name].dtype
        }
    )
    if kinds:
        warnings.warn(f"the weights {origin!r} are of type {', '.join(kinds)}; they were converted.", stacklevel=3)


def _unfit(state: Mapping[str, Any], own: Mapping[str, Any], origin: str, reason: str) -> SuiteInvalid:
    """The error of weights that do not fit: how many names, and the first of each kind."""
    missing, left = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    wrong = [
        name for name in own
        if _is_plain(own[name]) and isinstance(state.get(name), Tensor) and own[name].shape != state[name].shape
    ]  # fmt: skip
    parts = [
        f"{len(names)} {what} (first {names[0]!r})"
        for what, names in (("are missing", missing), ("are unknown to it", left), ("have another shape", wrong))
        if names
    ]
    heads = {name.rpartition(".")[0] for name in wrong}
    if not missing and not left and len(heads) == 1 and all(own[n].shape[1:] == state[n].shape[1:] for n in wrong):
        rows, mine = len(state[wrong[0]]), len(own[wrong[0]])
        parts.append(f"only {heads.pop()!r} differs: {rows} classes in the file, {mine} in the network")
    return SuiteInvalid(
        f"the weights {origin!r} do not fit the network of {len(own)} tensors: {', '.join(parts) or reason}. They have "
        "to come from the same architecture with the same number of classes."
    )
