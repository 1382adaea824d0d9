"""Rules of relevance for the steps that are no layers: sums, gates, poolings and batch norm in a traced graph.

Zennit's rules sit on modules. In a network that was cut by `sembench.backbones.wrapping` the steps between modules are
known, so each becomes a module with a rule of its own; none changes what the network computes:

    step                                   rule
    batch norm after a convolution         merged into it
    batch norm elsewhere                   passes on what it gets, channel by channel [ours]
    sum of two values                      R_a = a / (a + b) R, in proportion to the summands ([Zennit]'s Norm)
    product of a value and a gate          all to the value (signal takes all [Arras]); the gate has fewer elements, or
                                           comes from a sigmoid
    product with a number                  passes on what it gets
    average pooling, written as function   in proportion ([Zennit]'s Norm)
    activation, written as function        passes on what it gets
    depthwise convolution                  in proportion to the sizes of the contributions, |x_i w_i|, without bias;
                                           where all are 0 to |w_i| [ours]

A depthwise convolution has nine inputs, which often all inhibit: its activation then comes from the bias alone, and the
rule of the other convolutions (``ZPlus``) finds no positive contribution. Measured on an ImageNet MobileNetV2, .001 of
the relevance arrived at the pixels that way.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from zennit.core import BasicHook, Hook, ParamMod
from zennit.rules import Norm, Pass

from sembench.backbones.wrapping import Rescale

_STABILISER = 1e-6

_SUMS = {operator.add, torch.add, "add"}
_PRODUCTS = {operator.mul, torch.mul, "mul"}
_SCALINGS = _PRODUCTS | {operator.truediv, torch.div, "div"}
_AVERAGES = {F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, "mean"}
_ACTIVATIONS = {
    F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.mish, F.hardswish, F.hardtanh, F.softplus,
    torch.relu, torch.tanh, F.tanh, torch.sigmoid, F.sigmoid, F.hardsigmoid, "relu", "tanh", "sigmoid", "clamp",
    torch.clamp,
}  # fmt: skip
_SQUASHES = {torch.sigmoid, F.sigmoid, F.hardsigmoid, "sigmoid"}
_SQUASHING_MODULES = (nn.Sigmoid, nn.Hardsigmoid)


class _Called(nn.Module):
    """A step that was written as a function or a method of one tensor, as a module.

    Args:
        target: The function, or the method's name.
        arguments: What it takes beside the tensor.
        options: The same by name.
    """

    def __init__(self, target: Callable[..., Any] | str, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        super().__init__()
        self.target = target
        self.arguments = tuple(arguments)
        self.options = dict(options)

    def forward(self, value: Tensor) -> Tensor:
        function = getattr(type(value), self.target) if isinstance(self.target, str) else self.target
        return function(value, *self.arguments, **self.options)  # type: ignore[no-any-return]


class Averaging(_Called):
    """An average, which shares relevance in proportion."""


class Passing(_Called):
    """A step that passes relevance on as it is."""


class _ProportionalSum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, a: Tensor, b: Tensor) -> Tensor:
        total = a + b
        context.save_for_backward(a, b, total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        a, b, total = context.saved_tensors
        each = gradients[0] / (total + _STABILISER * torch.where(total < 0, -1.0, 1.0))
        return (a * each).sum_to_size(a.shape), (b * each).sum_to_size(b.shape)


class Sum(nn.Module):
    """A sum of two values, which shares relevance in proportion."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """``a + b``."""
        return _ProportionalSum.apply(a, b)  # type: ignore[no-any-return]


class _SignalTakesAll(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, signal: Tensor, gate: Tensor) -> Tensor:
        return signal * gate

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class Gated(nn.Module):
    """A product of a value and a gate, which gives all relevance to the value.

    Args:
        gates: Whether each of the two factors comes from a sigmoid; asked where their sizes are equal.
    """

    def __init__(self, gates: tuple[bool, bool]) -> None:
        super().__init__()
        self.gates = gates

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """``a * b``."""
        first, second = (a.numel(), self.gates[1]), (b.numel(), self.gates[0])  # the value has more, then the rest
        if first == second:
            return a * b  # neither is a gate, so no rule applies
        signal, gate = (a, b) if first > second else (b, a)
        return _SignalTakesAll.apply(signal, gate.detach())  # type: ignore[no-any-return]


class Depthwise(nn.Conv2d):
    """A convolution with one input channel for each output channel."""


class _Sizes(BasicHook):  # type: ignore[misc]
    """Relevance in proportion to the sizes of contributions; see the table above."""

    def __init__(self) -> None:
        super().__init__(
            input_modifiers=[lambda value: value.abs() + _STABILISER],
            param_modifiers=[ParamMod(_sizes)],
            output_modifiers=[lambda output: output],
            gradient_mapper=lambda gradient, outputs: gradient / (outputs[0] + torch.finfo(gradient.dtype).tiny),
            reducer=lambda inputs, gradients: inputs[0] * gradients[0],
        )


def _sizes(parameter: Tensor, name: str) -> Tensor:
    return torch.zeros_like(parameter) if name == "bias" else parameter.abs()


def rules() -> list[tuple[tuple[type[nn.Module], ...], Hook]]:
    """The rules of the modules that `canonise` puts in place, for a Zennit composite."""
    return [
        ((Averaging,), Norm(stabilizer=_STABILISER)),
        ((Passing, Rescale), Pass()),
        ((Depthwise,), _Sizes()),
    ]


def canonise(network: nn.Module) -> None:
    """Gives every step of the graphs within a network a rule, in place; call it with a copy in evaluation mode."""
    for part in network.modules():
        if isinstance(part, fx.GraphModule):
            _merge_batch_norm(part)
            for node in list(part.graph.nodes):
                _replace(part, node)
            part.graph.eliminate_dead_code()
            part.recompile()
    for part in network.modules():
        if type(part) is nn.Conv2d and part.groups == part.in_channels > 1:
            part.__class__ = Depthwise


def _replace(module: fx.GraphModule, node: fx.Node) -> None:
    """Puts a module with a rule in the place of a step that needs one."""
    if node.op not in ("call_function", "call_method"):
        return
    tensors, others = node.all_input_nodes, [arg for arg in node.args if not isinstance(arg, fx.Node)]
    if len(tensors) == 2 and not others and not node.kwargs:
        if node.target in _SUMS:
            _put(module, node, tensors, Sum())
        elif node.target in _PRODUCTS:
            _put(module, node, tensors, Gated((_squashed(module, tensors[0]), _squashed(module, tensors[1]))))
    elif len(tensors) == 1 and len(others) == len(node.args) - 1:
        number = len(others) == 1 and isinstance(others[0], Number)
        first = node.args[0] is tensors[0]
        if node.target in _AVERAGES:
            _put(module, node, tensors, Averaging(node.target, others, node.kwargs))
        elif node.target in _ACTIVATIONS or (number and node.target in (_SCALINGS if first else _PRODUCTS)):
            _put(module, node, tensors, Passing(node.target, others, node.kwargs))


def _put(module: fx.GraphModule, node: fx.Node, tensors: Sequence[fx.Node], replacement: nn.Module) -> None:
    name = f"step_{node.name}"
    module.add_submodule(name, replacement)
    with module.graph.inserting_before(node):
        new = module.graph.call_module(name, tuple(tensors))
    node.replace_all_uses_with(new)
    module.graph.erase_node(node)


def _squashed(module: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        called = module.get_submodule(str(node.target))
        return isinstance(called, _SQUASHING_MODULES) or getattr(called, "target", None) in _SQUASHES
    return node.target in _SQUASHES


def _merge_batch_norm(module: fx.GraphModule) -> None:
    """Merges batch norm into the convolution or linear layer before it; where there is none, hides it behind a rule."""
    calls = Counter(node.target for node in module.graph.nodes if node.op == "call_module")
    for node in list(module.graph.nodes):
        norm = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)) or norm.running_mean is None:
            continue
        before = node.all_input_nodes[0]
        layer = module.get_submodule(str(before.target)) if before.op == "call_module" else None
        alone = len(before.users) == 1 and calls[before.target] == 1
        if alone and isinstance(layer, (nn.Conv2d, nn.Linear)):
            fuse: Any = fuse_conv_bn_eval if isinstance(layer, nn.Conv2d) else fuse_linear_bn_eval
            module.set_submodule(str(before.target), fuse(layer, norm))
            node.replace_all_uses_with(before)
            module.graph.erase_node(node)
        else:
            _put(module, node, [before], Passing(norm.forward, (), {}))  # a method: rules for batch norm don't see it
    module.delete_all_unused_submodules()
