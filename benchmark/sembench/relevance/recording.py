"""Recording of a computation as a graph of ATen operations, whatever the network is written with.

A module, a function, a method, an argument by position or by name, a step in place, a subclass or a layer that is used
twice leave no trace in such a graph: what computes the same is recorded alike. Normalisations are written out in sums
and products here, and all that does not depend on the images is computed at once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.backends import mha
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from sembench.backbones.resnet import one_cell_as_convolution
from sembench.errors import ContractBroken, RelevanceUndefined, in_one_line

_aten = torch.ops.aten

# Operations whose result does not depend on the values of the tensor that they take, only on its shape.
_OF_SHAPE = {
    "new_zeros": 0, "new_ones": 1, "zeros_like": 0, "ones_like": 1, "new_full": None, "full_like": None,
    "new_empty": 0, "empty_like": 0, "new_empty_strided": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Recording:
    """A computation from images to an output.

    Attributes:
        graph: Its operations, each a call of an ATen operation (or of ``getitem`` on what one returns).
        images: The node of the images.
        output: The node of the output.
        constants: Values of all nodes that do not depend on the images.
        value: The output for the images that it was recorded with.
    """

    graph: fx.Graph
    images: fx.Node
    output: fx.Node
    constants: dict[fx.Node, Any]
    value: Tensor


def record(compute: Callable[[Tensor], Tensor], images: Tensor) -> Recording:
    """Records a computation on these images. Costs one forward pass.

    Args:
        compute: From images ``(B, 3, H, W)`` to an output, in evaluation mode.
        images: What it is recorded with; a recording holds for images of this shape, and where the computation
            branches on values, for these alone.

    Raises:
        RelevanceUndefined: If the computation cannot be recorded; says at what.
        ContractBroken: If the output does not depend on the images.
    """
    values: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        values.append(compute(x))
        return values[0]

    try:
        with _plainly():
            module = make_fx(functionalize(watched, remove="mutations"), decomposition_table=_WRITTEN_OUT)(
                images.detach().clone()
            )
    except ContractBroken:
        raise
    except Exception as error:
        compute(images)  # what fails by itself fails here, by its own error
        raise RelevanceUndefined(f"its forward pass cannot be recorded: {in_one_line(error)}") from error
    nodes = list(module.graph.nodes)
    (inputs,) = (node for node in nodes if node.op == "placeholder")
    (end,) = (node.args[0] for node in nodes if node.op == "output")
    constants = _constants(module)
    if not isinstance(end, fx.Node) or end in constants:
        raise ContractBroken(
            "no relevance reaches the pixels: the output does not depend on the images. Compute it from them, or take "
            "ATTRIBUTION out of `supports`."
        )
    return Recording(module.graph, inputs, end, constants, _plain(values[0]))


def name_of(node: fx.Node) -> str:
    """The name of a node's operation, without overload: ``"convolution"``, ``"getitem"``."""
    if node.target is operator.getitem:
        return "getitem"
    packet = getattr(node.target, "overloadpacket", node.target)
    name = str(getattr(packet, "__name__", packet))
    return "as_strided" if name == "as_strided_" else name  # an order in memory, which is left to steps in place


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of a node's tensor."""
    return tuple(node.meta["val"].shape)


def inputs_of(recording: Recording, node: fx.Node) -> list[fx.Node]:
    """The nodes that a node takes and that depend on the images, in order, each once."""
    return [source for source in node.all_input_nodes if source not in recording.constants]


def _constants(module: fx.GraphModule) -> dict[fx.Node, Any]:
    """Values of the nodes that do not depend on the images."""
    found: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for node in module.graph.nodes:
            if node.op == "get_attr":
                found[node] = getattr(module, str(node.target)).detach()
            elif node.op == "call_function":
                if all(source in found for source in node.all_input_nodes):
                    changed = node.all_input_nodes[:1] if name_of(node).endswith("_") else []
                    for source in changed:  # a step in place, on a copy of what is the network's own
                        found[source] = found[source].clone() if source.op == "get_attr" else found[source]
                    arguments, options = fx.map_arg((node.args, node.kwargs), found.__getitem__)
                    found[node] = node.target(*arguments, **options)
                elif name_of(node) in _OF_SHAPE:
                    found[node] = _filled(node, module)
    return found


def _filled(node: fx.Node, module: fx.GraphModule) -> Tensor:
    fill = _OF_SHAPE[name_of(node)]
    like = node.meta["val"]
    value = fill if fill is not None else node.args[2 if name_of(node) == "new_full" else 1]
    device = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    return torch.full(tuple(like.shape), value, dtype=like.dtype, device=device)  # type: ignore[arg-type]


def _plain(value: Any) -> Tensor:
    """A tensor without the wrappers of a recording. Raises `ContractBroken` if it is none."""
    if not isinstance(value, Tensor):
        raise ContractBroken(f"the output is a {type(value).__name__}; it must be a tensor.")
    while torch._C._functorch.is_functionaltensor(value):
        torch._sync(value)  # type: ignore[attr-defined,no-untyped-call]
        value = torch._C._functorch.get_unwrapped(value)
    return torch.Tensor.detach(value)


@contextmanager
def _plainly() -> Iterator[None]:
    """Attention in its plain form, not one of the kernels that compute it in one step; gradients on.

    With gradients off a backbone would answer from its feature cache, and the fast path of attention would be taken.
    Shapes are noted under one mode for all operations: PyTorch else makes one for each, with a trace of the stack.
    """
    shapes = TracingContext(FakeTensorMode(allow_fallback_kernels=True))
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with (
            torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), one_cell_as_convolution(),
            tracing(shapes),
        ):  # fmt: skip
            yield
    finally:
        mha.set_fastpath_enabled(fast)


def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, var: Tensor | None, training: bool,
    momentum: float, eps: float,
) -> Any:  # fmt: skip
    if training or mean is None or var is None:  # statistics of the batch: one image's map would depend on the others
        return NotImplemented
    scale = (var + eps).rsqrt() * (1.0 if weight is None else weight)
    shift = -mean * scale + (0.0 if bias is None else bias)
    columns = (-1, *[1] * (x.ndim - 2))
    return x * scale.view(columns) + shift.view(columns), mean.new_zeros(0), mean.new_zeros(0)


def _batch_norm_inference(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, momentum: float, eps: float
) -> Any:
    return _batch_norm(x, weight, bias, mean, var, False, momentum, eps)


def _layer_norm(x: Tensor, shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
    dims = tuple(range(-len(shape), 0))
    y, mean, scale = _standardised(x, dims, eps)
    return _affine(y, weight, bias), mean, scale


def _group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, channels: int, cells: int, groups: int, eps: float
) -> Any:
    y, mean, scale = _standardised(x.reshape(n, groups, -1), (-1,), eps)
    columns = (channels, *[1] * (x.ndim - 2))
    parts = (None if part is None else part.view(columns) for part in (weight, bias))
    return _affine(y.reshape(x.shape), *parts), mean.reshape(n, groups), scale.reshape(n, groups)


def _standardised(x: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    mean = x.mean(dims, keepdim=True)
    centred = x - mean
    scale = ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    return centred * scale, mean, scale


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    product = a @ b if alpha == 1 else (a @ b) * alpha
    return product + (bias if beta == 1 else bias * beta)


def _addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return x + a * b * value


def _addcdiv(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Tensor:
    return x + a / b * value


def _lerp(a: Tensor, b: Tensor, weight: Any) -> Tensor:
    mixed: Tensor = a * (1 - weight) + b * weight
    return mixed


def _copy(to: Tensor, value: Tensor, non_blocking: bool = False) -> Tensor:
    return value.to(to.dtype).expand(to.shape)


def _fill(x: Tensor, value: Any) -> Tensor:
    return _copy(x, value) if isinstance(value, Tensor) else torch.full_like(x, value)


_WRITTEN_OUT: dict[Any, Callable[..., Any]] = {
    _aten.copy.default: _copy,
    _aten.fill.Scalar: _fill,
    _aten.fill.Tensor: _fill,
    _aten.native_batch_norm.default: _batch_norm,
    _aten._native_batch_norm_legit_no_training.default: _batch_norm_inference,
    _aten.native_layer_norm.default: _layer_norm,
    _aten.native_group_norm.default: _group_norm,
    _aten.addmm.default: _addmm,
    _aten.baddbmm.default: _addmm,
    _aten.addcmul.default: _addcmul,
    _aten.addcdiv.default: _addcdiv,
    _aten.lerp.Scalar: _lerp,
    _aten.lerp.Tensor: _lerp,
}
