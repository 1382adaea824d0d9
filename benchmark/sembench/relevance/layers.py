"""Convolutions and linear layers of a recording as modules, with the scales and shifts that follow merged into them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.relevance.recording import Recording, inputs_of, name_of, shape_of
from sembench.relevance.signals import AVERAGES, Signals, affine, undefined
from sembench.relevance.steps import Convolution, Depthwise


def layer_of(recording: Recording, node: fx.Node) -> Any:
    """A convolution or linear layer as a module with weights of its own.

    Returns:
        The module; ``None`` for a product with constants that is no layer on vectors: a mixing of cells.

    Raises:
        RelevanceUndefined: If its weights depend on the image.
    """
    made = _convolution(recording, node) if name_of(node) == "convolution" else _linear(recording, node)
    return None if made is None else made.eval().requires_grad_(False)


def _convolution(recording: Recording, node: fx.Node) -> nn.Module:
    if any(source is not node.args[0] for source in inputs_of(recording, node)):
        raise undefined(node, "its weights depend on the image")
    given: list[Any] = [recording.constants[a] if isinstance(a, fx.Node) and i else a for i, a in enumerate(node.args)]
    _, weight, bias, stride, padding, dilation, transposed, extra, groups = given
    kinds: list[Any] = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
    if transposed:
        kinds = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
    kind = kinds[len(stride) - 1]
    ends = (weight.shape[1] * groups, weight.shape[0])
    if transposed:
        ends = (weight.shape[0], weight.shape[1] * groups)
    if kind is nn.Conv2d:
        kind = Depthwise if groups == ends[0] > 1 else Convolution
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "bias": bias is not None}
    options |= {"output_padding": extra} if transposed else {}
    with torch.device("meta"):
        layer: nn.Module = kind(*ends, tuple(weight.shape[2:]), **options)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    if isinstance(layer, Convolution) and is_taken_in(recording, given[0]):
        layer.pads = tuple(given[0].args[1])
    return layer


def is_taken_in(recording: Recording, node: fx.Node) -> bool:
    """Whether a step pads with zeros for convolutions alone, which then do it: no relevance goes to the padding."""
    if node is recording.images or name_of(node) != "constant_pad_nd" or any(node.args[2:]):
        return False
    maps = all(name_of(user) == "convolution" and len(shape_of(user)) == 4 for user in node.users)
    ordinary = all(not user.args[6] and user.args[0] is node for user in node.users if maps)
    return maps and ordinary and node is not recording.output


def _linear(recording: Recording, node: fx.Node) -> nn.Module | None:
    matrix: Any = node.args[1]
    if matrix not in recording.constants:
        return None
    weight: Tensor = recording.constants[matrix].detach()
    if weight.ndim == 3:
        if not bool((weight == weight[:1]).all()):
            return None
        weight = weight[0]
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[0], weight.shape[1], bias=False)
    layer.weight = nn.Parameter(weight.t().contiguous())
    return layer


def merge(recording: Recording, signals: Signals, node: fx.Node, layer: Any) -> set[fx.Node]:
    """Takes the scales and shifts that follow a layer into it, and returns them.

    Batch norm is such a pair, however it is written. Steps that leave the channels together are passed by.
    """
    channel: int | None = len(shape_of(node)) - 1 if isinstance(layer, nn.Linear) else 1
    outputs, merged = shape_of(node)[channel or 0], set()
    while len(node.users) == 1 and node is not recording.output:
        before, (node,) = node, node.users
        found = affine(recording, node)
        if node not in signals.sources or channel is None:
            break
        if found is None:
            channel = _channel_after(before, node, channel)
            continue
        scale, shift = (_per_channel(x, outputs, channel, node, layer.weight) for x in (found.scale, found.shift))
        if scale is None or shift is None or shape_of(before) != shape_of(node):
            break
        _take_in(layer, scale, shift)
        merged.add(node)
    return merged


def _channel_after(before: fx.Node, node: fx.Node, channel: int) -> int | None:
    """Where the dimension of channels is after a step; ``None`` after one that does more than order dimensions."""
    name, old, arguments = name_of(node), shape_of(before), node.args
    if name == "permute":
        order: Any = arguments[1]
        return [int(axis) % len(old) for axis in order].index(channel)
    if name in ("t", "transpose"):
        pair: Any = arguments[1:] if name == "transpose" else (0, 1)
        a, b = (int(axis) % len(old) for axis in pair)
        return {a: b, b: a}.get(channel, channel)
    if name in ("view", "_unsafe_view", "unsqueeze", "squeeze", "clone", "alias"):
        new, ahead = shape_of(node), math.prod(old[:channel])
        places = [k for k, size in enumerate(new) if size == old[channel] and math.prod(new[:k]) == ahead]
        return places[-1] if places else None
    return None


def _take_in(layer: Any, scale: Tensor, shift: Tensor) -> None:
    """Puts ``scale * x + shift``, one of each for every output channel ``(E,)``, behind a layer."""
    weight, bias = layer.weight.detach(), layer.bias
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        each = scale.view(layer.groups, 1, -1).expand(-1, len(weight) // layer.groups, -1)
        weight = weight * each.reshape(len(weight), -1, *[1] * (weight.ndim - 2))
    else:
        weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    bias = shift if bias is None else bias.detach() * scale + shift
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)


def _per_channel(value: Tensor | float, outputs: int, channel: int, node: fx.Node, like: Tensor) -> Tensor | None:
    """A constant as one number for each channel ``(E,)``; ``None`` if it differs within a channel."""
    constant, ndim = torch.as_tensor(value, dtype=like.dtype, device=like.device), len(shape_of(node))
    if constant.ndim > ndim:
        return None
    shape = [1] * (ndim - constant.ndim) + list(constant.shape)
    own = shape.pop(channel)
    if math.prod(shape) != 1 or own not in (1, outputs):
        return None
    return constant.reshape(-1).expand(outputs).clone()


def on_vectors(recording: Recording, node: fx.Node, layer: nn.Module, averaged: bool) -> bool:
    """Whether a layer takes one vector for each image, rather than cells.

    A 1x1 convolution of a map of one cell is a linear layer on vectors once the map has been averaged, as in a
    classifier that is written as a convolution; in the last stage of a network for large images it is a convolution.

    Args:
        recording: The recording.
        node: The layer's operation.
        layer: The layer.
        averaged: Whether what it takes comes from an average over all cells, see `is_average`.
    """
    shape = shape_of(node)
    if isinstance(layer, nn.Linear):
        return math.prod(shape[:-1]) == shape_of(recording.images)[0]
    pointwise = math.prod(getattr(layer, "kernel_size", (0,))) == 1
    return averaged and pointwise and math.prod(shape[2:]) == 1


def is_average(node: fx.Node) -> bool:
    """Whether an operation averages a map over all its cells."""
    return name_of(node) in AVERAGES and len(shape_of(node)) > 1 and math.prod(shape_of(node)[2:]) == 1
