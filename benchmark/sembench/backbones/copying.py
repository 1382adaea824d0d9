"""A copy of the user's network that can be taken apart: unwrapped, in single precision, checked by name."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sembench.errors import BackboneUnfit, in_one_line
from sembench.seeding import isolated

_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "AveragedModel": "module",
}
_GREY = "def forward(self, x): return self.network(x.mean(1, keepdim=True))"
_ADVICE = "If it takes images of another size, name that size"


def copied(network: nn.Module, notes: list[str]) -> nn.Module:
    """A copy in evaluation mode, without gradients and wrappers of parallel or compiled execution, in float32.

    Args:
        network: The user's module, which does not change.
        notes: Receives a sentence for each thing in which the copy differs.

    Raises:
        BackboneUnfit: If it cannot be copied, or its weights are of a kind that explanations cannot be computed with.
    """
    network = _unwrapped(network)
    for path, part in network.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise BackboneUnfit(
                f"{path or 'the network'} is a TorchScript module ({type(part).__name__}), whose steps cannot be "
                "followed. Give the nn.Module that it was made from, with the weights loaded into it."
            )
    try:
        made = copy.deepcopy(network, _detached(network))
    except Exception as error:
        raise BackboneUnfit(
            f"{type(network).__name__} cannot be copied ({in_one_line(error)}). Let it hold no files, locks, "
            "generators or process groups; computed tensors have to be detached."
        ) from error
    for path, part in list(made.named_modules()):
        for name, child in list(part._modules.items()):
            if child is not None and child is not _unwrapped(child):
                part._modules[name] = _unwrapped(child)
        _make_leaves(part)
        _without_extra_state(part, path)
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None:
            raise BackboneUnfit(
                f"{path or type(part).__name__} is a {type(part).__name__} without running statistics "
                "(track_running_stats=False): the answer to an image depends on the others of its batch. Give it "
                "running statistics, or use GroupNorm."
            )
    for name, value in made.state_dict().items():
        if not isinstance(value, Tensor) or value.is_quantized:
            raise BackboneUnfit(
                f"{name} is a {'quantized tensor' if isinstance(value, Tensor) else type(value).__name__}, as in a "
                "quantized network; give the network with weights that are plain tensors."
            )
    for parameter in made.parameters():
        parameter.grad = None
    if any(nn.parameter.is_lazy(parameter) for parameter in made.parameters()):
        notes.append("its lazy layers had no weights and got initial ones; run it once before, or load weights")
    _to_single_precision(made, notes)
    return made.eval()


def answer(network: nn.Module, images: Tensor) -> Tensor:
    """Logits ``(B, C)`` of a fresh clone of the images. Raises `BackboneUnfit` with the reason and what to do."""
    kind = type(network).__name__
    try:
        with torch.no_grad():
            logits = network(images.clone())
    except Exception as error:
        raise BackboneUnfit(
            f"{kind} does not take images of {tuple(images.shape[1:])}: {in_one_line(error)}. "
            f"{_what_to_do(network, images, error)}."
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        seen = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise BackboneUnfit(
            f"{kind} answers to images with {seen}; logits (B, C) are needed. Return them alone, e.g. "
            "from a small module around it."
        )
    if not logits.is_floating_point():
        raise BackboneUnfit(f"{kind} answers with {logits.dtype}; logits of a floating type are needed.")
    return logits


def require_stateless(network: nn.Module, images: Tensor, logits: Tensor) -> None:
    """Raises `BackboneUnfit` if the network, in evaluation mode, answers otherwise the second time or in another batch.

    Args:
        network: The copy, which has seen the images once.
        images: The probe.
        logits: Its first answer.
    """
    kind, before = type(network).__name__, {k: v.clone() for k, v in network.state_dict().items()}
    again = answer(network, images)
    for name, value in network.state_dict().items():
        if not torch.equal(torch.nan_to_num(value), torch.nan_to_num(before[name])):
            raise BackboneUnfit(f"{kind} keeps state between calls: {name} changes in evaluation mode. Take that out.")
    if not close(again, logits):
        raise BackboneUnfit(
            f"{kind} gives other logits for the same images when it is called again, in evaluation mode: it depends on "
            "more than its input, e.g. on random numbers or on state. Take that out, or make it depend on "
            "self.training."
        )
    try:
        alone = answer(network, images[:1])
    except BackboneUnfit as error:
        raise BackboneUnfit(f"{kind} takes {len(images)} images, but not one alone: {error}") from error
    if not close(alone, logits[:1]):
        raise BackboneUnfit(
            f"{kind} gives other logits for an image alone than in a batch, in evaluation mode. An explanation is of "
            "one image: let no step mix the images of a batch (statistics of the batch, a squeeze, a softmax over "
            "dimension 0)."
        )


def close(a: Tensor, b: Tensor, rounding: float = 1e-4) -> bool:
    """Whether values are the same but for rounding, as a share of the largest of them.

    Examples:
        >>> tiny = torch.tensor([1e-6, 2e-6])
        >>> close(tiny, tiny + 1e-11), close(tiny, tiny.flip(0))  # however small they are
        (True, False)
    """
    if a.shape != b.shape:
        return False
    largest = torch.nan_to_num(b, posinf=0, neginf=0).abs().max() if b.numel() else 0
    return torch.allclose(a, b, rtol=10 * rounding, atol=rounding * float(largest), equal_nan=True)


def without_observers(network: nn.Module, images: Tensor, logits: Tensor) -> nn.Module:
    """The network without hooks, where they change no logits; those of torch itself (weight norm, pruning) stay."""
    hooks = [hook for part in network.modules() for hook in _foreign_hooks(part)]
    if not hooks:
        return network
    bare = copy.deepcopy(network, _detached(network))
    for part in bare.modules():
        for key, table in list(_foreign_hooks(part)):
            del table[key]
    try:
        same = close(answer(bare, images), logits)
    except BackboneUnfit:
        same = False
    return bare if same else network


def _foreign_hooks(part: nn.Module) -> Iterator[tuple[int, dict[int, object]]]:
    for table in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks):
        for key, hook in table.items():
            if hook is not _detach and not (getattr(hook, "__module__", None) or "").startswith("torch."):
                yield key, table  # type: ignore[misc]


def _unwrapped(network: nn.Module) -> nn.Module:
    while type(network).__name__ in _WRAPPERS and type(network).__module__.startswith("torch."):
        network = getattr(network, _WRAPPERS[type(network).__name__])
    return network


def _detached(network: nn.Module) -> dict[int, object]:
    """A memo for `copy.deepcopy`, which refuses weights of lazy layers, and tensors that were computed.

    Old-style weight norm leaves the latter.
    """
    memo: dict[int, object] = {}
    for tensor in [*network.parameters(), *network.buffers()]:
        if nn.parameter.is_lazy(tensor):
            kind: Any = type(tensor)
            memo[id(tensor)] = kind(device=tensor.device, dtype=tensor.dtype)

    def visit(value: object, depth: int) -> None:
        if isinstance(value, Tensor):
            if value.grad_fn is not None:
                memo[id(value)] = value.detach().clone()
        elif isinstance(value, (list, tuple, dict)) and depth < 5:
            for item in value.values() if isinstance(value, dict) else value:
                visit(item, depth + 1)

    for part in network.modules():
        visit(vars(part), 0)
    return memo


def _without_extra_state(part: nn.Module, path: str) -> None:
    """Takes state that is no tensor out of what is saved; the module keeps it."""
    kind = type(part)
    if kind.get_extra_state is nn.Module.get_extra_state:
        return
    try:
        state = part.get_extra_state()
    except Exception as error:
        raise BackboneUnfit(f"get_extra_state of {path or kind.__name__} fails: {in_one_line(error)}.") from error
    if not isinstance(state, Tensor):
        plain = {name: getattr(nn.Module, name) for name in ("get_extra_state", "set_extra_state")}
        part.__class__ = type(kind.__name__, (kind,), {**plain, "__module__": kind.__module__})


def _make_leaves(part: nn.Module) -> None:
    """Plain tensors become buffers, so that they move with the network; computed ones can be copied after each call."""
    hooked = [name for name, value in vars(part).items() if isinstance(value, Tensor)]
    if part._forward_pre_hooks and hooked:
        part.register_forward_hook(_detach)
        return
    if parametrize.is_parametrized(part):
        return
    for name in hooked:
        value = vars(part).pop(name)
        part.register_buffer(name, value.detach(), persistent=False)


def _detach(part: nn.Module, _args: object, _output: object) -> None:
    for name, value in list(vars(part).items()):
        if isinstance(value, Tensor) and value.grad_fn is not None:
            vars(part)[name] = value.detach()


def _to_single_precision(network: nn.Module, notes: list[str]) -> None:
    tensors = [
        (name, tensor)
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]
        if not nn.parameter.is_lazy(tensor)
    ]
    for name, tensor in tensors:
        if tensor.is_meta:
            raise BackboneUnfit(f"{name} is on the meta device, without values. Load the weights first.")
        if tensor.is_complex():
            raise BackboneUnfit(f"{name} is complex; explanations need real weights.")
        if tensor.is_quantized or tensor.layout is not torch.strided:
            raise BackboneUnfit(f"{name} is quantized or sparse; give the network with dense weights.")
    devices = sorted({str(tensor.device) for _, tensor in tensors})
    if len(devices) > 1:
        raise BackboneUnfit(f"the network lies on several devices ({', '.join(devices)}). Move it to one: .to(device).")
    kinds = sorted({str(t.dtype).removeprefix("torch.") for _, t in tensors if t.is_floating_point()} - {"float32"})
    if kinds:
        network.float()
        notes.append(f"its weights of {' and '.join(kinds)} are computed with in float32")


def _what_to_do(network: nn.Module, images: Tensor, error: Exception) -> str:
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is not None and first.in_channels != images.shape[1]:
        count = first.in_channels
        what = f"Its first convolution takes {count} channel{'s' if count > 1 else ''}; images have {images.shape[1]}"
        return f"{what}. Put a module around it: {_GREY}" if count == 1 else what
    if "dtype" in str(error) or "bias type" in str(error):
        return "Weights and images are of float32: take .half(), .double() and the like out of its forward"
    if isinstance(error, TypeError):
        return "Its forward has to take the images alone; put a small module around it that adds the rest"
    try:
        with torch.no_grad(), isolated(0):
            network(images.permute(0, 2, 3, 1))
    except Exception:  # noqa: BLE001 - the user's code, run to word an error
        return _ADVICE
    return "It takes images (B, H, W, 3). Put a module around it: def forward(self, x): return self.network(" + (
        "x.permute(0, 2, 3, 1))"
    )
