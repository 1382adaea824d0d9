"""Puts the weights of a file into a network: fits their names, and refuses what is not the network's."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sembench.errors import SuiteInvalid, in_one_line

_WRAPPER = r"(?:_orig_mod|module|model|net|network|backbone)\."
_PARALLEL = re.compile(r"(?<![^.])(?:_orig_mod|module)\.")  # what compiling and DataParallel put before a submodule
_COUNT = "num_batches_tracked"
_AVERAGES = "n_averaged"  # beside the weights of torch's AveragedModel


def load_weights(network: nn.Module, weights: Mapping[str, Any], origin: str) -> None:
    """Puts weights into a network, all of them or none, as ``load_state_dict(strict=True)`` does.

    Where the names do not fit as they are, what wrappers put before them is taken off: ``module.``, ``_orig_mod.``,
    ``model.``, ``net.``, ``network.``, ``backbone.``; off the network's own, too. The count of averages beside averaged
    weights is left out. A second name of a tensor that the
    network has under both may be missing. Floating-point weights of another type than the network's are converted,
    with a warning.

    Raises:
        SuiteInvalid: If names, shapes or types do not agree, or the names are those of other values, too; names the
            first of them.
    """
    own = network.state_dict()
    before = {name: value.clone() for name, value in own.items() if _is_plain(value)}
    renamings = list(_renamings(_without_counter(tuple(weights), own), own))
    reason = ""
    for names in renamings:
        state = _completed({new: weights[old] for old, new in names.items()}, own)
        if not _agree(state, own):
            continue
        _require_numbers(state, own, origin)
        _require_one_value(state, own, origin)
        state._metadata = _metadata(weights, names, own)  # type: ignore[attr-defined]
        try:
            network.load_state_dict(state)
        except Exception as error:  # noqa: BLE001 - modules have hooks of their own for older files
            reason = reason or in_one_line(error).replace("\t", " ")
            with torch.no_grad():
                for name, value in before.items():
                    own[name].copy_(value)
        else:
            _require_own_shapes(network, origin)
            _say_converted(state, own, origin)
            return
    if (double := _double(weights, own)) is not None:
        raise SuiteInvalid(
            f"the weights {origin!r} do not fit: {double[0]!r} and {double[1]!r} are both {double[2]!r} of the "
            "network. Save the one that is meant in a file of its own."
        )
    closest = min(renamings, key=lambda names: len(set(names.values()) ^ set(own)))
    raise _unfit({new: weights[old] for old, new in closest.items()}, own, origin, reason)


def _without_counter(names: tuple[str, ...], own: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a file's tensors without the count of averages that stands beside averaged weights."""
    for name in names:
        if name.rpartition(".")[2] == _AVERAGES and name not in own:
            others = tuple(other for other in names if other != name)
            if all(other.startswith(f"{name.removesuffix(_AVERAGES)}module.") for other in others):
                return others
    return names


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
    theirs, ours = {_bare(name): name for name in names}, {_bare(name): name for name in own}
    if len(theirs) == len(names) and len(ours) == len(own) and theirs.keys() <= ours.keys():
        yield {name: ours[_bare(name)] for name in names}  # the network itself is wrapped


def _bare(name: str) -> str:
    """One name without all that wrappers put into it."""
    return re.sub(f"^(?:{_WRAPPER})+", "", _PARALLEL.sub("", name))


def _double(names: Iterable[str], own: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Two names that stand for one of the network's, and that one; ``None`` where there are none."""
    seen: dict[str, str] = {}
    for name in names:
        peeled = _peeled(name, own)
        if peeled in own and seen.setdefault(peeled, name) != name:
            return seen[peeled], name, peeled
    return None


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
        kind, wanted = (str(tensor.dtype).removeprefix("torch.") for tensor in (value, mine))
        advice = "Save them as float32."
        if mine.is_meta:
            what, advice = "has no place in the network, which is on the device meta", "Make it on the CPU."
        elif nn.parameter.is_lazy(value) or value.is_meta:
            what = "has no values, as in a lazy layer that was never run, or on the device meta"
            advice = "Save those of the trained network."
        elif value.layout != torch.strided:
            what, advice = f"is sparse ({value.layout})", "Save it as to_dense()."
        elif value.is_quantized or (mine.is_floating_point() and not value.is_floating_point()):
            what = f"is of type {kind}, where the network has {wanted}"
        elif not mine.is_floating_point() and not mine.is_complex() and not _same(value, value.to(mine.dtype)):
            what = f"holds numbers of type {kind} that {wanted}, the network's type, does not have"
            advice = "Save the state_dict() of the same network."
        else:
            continue
        raise SuiteInvalid(f"the weights {origin!r} do not fit: {name!r} {what}. {advice}")


def _require_one_value(state: Mapping[str, Any], own: Mapping[str, Any], origin: str) -> None:
    """Raises `SuiteInvalid` for a tensor that the network has under two names and the file with two values."""
    names: dict[tuple[Any, ...], str] = {}
    for name, value in own.items():
        if not isinstance(state.get(name), Tensor) or not _is_plain(value) or not value.numel():
            continue
        first = names.setdefault(_place(value), name)
        if not _same(state[first], state[name]):
            raise SuiteInvalid(
                f"the weights {origin!r} do not fit: {first!r} and {name!r} are one tensor in the network, but not the "
                "same in the file. They come from a network that does not share them; make one that does not either."
            )


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers; NaN is the same as NaN."""
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())


def _require_own_shapes(network: nn.Module, origin: str) -> None:
    """Raises `SuiteInvalid` for a lazy layer that took weights of another layer: it takes any shape."""
    for name, module in network.named_modules():
        if isinstance(module, nn.LazyLinear):
            right = module.weight.shape[0] == module.out_features
        elif isinstance(module, nn.modules.lazy.LazyModuleMixin) and isinstance(module, nn.modules.conv._ConvNd):
            out = module.weight.shape[1] * module.groups if module.transposed else module.weight.shape[0]
            right = (out, *module.weight.shape[2:]) == (module.out_channels, *module.kernel_size)
        else:
            continue
        if not right:
            raise SuiteInvalid(
                f"the weights {origin!r} do not fit: those of {name!r} are of the shape {tuple(module.weight.shape)}, "
                f"where the network has {module}. They have to come from the same architecture."
            )


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
