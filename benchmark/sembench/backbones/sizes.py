"""Sizes read early and used late, as ``B = x.shape[0]`` at the top of a forward pass."""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.backbones.overwriting import Watch


def take_sizes_near(module: fx.GraphModule, two: Watch, three: Watch) -> None:
    """Lets each step read the number of images from a tensor that it takes, and reshape in any memory format.

    Nothing but tensors then leads from one block to the next.

    Args:
        module: The graph, which changes.
        two: Its run on two images.
        three: Its run on three.
    """
    for node in list(module.graph.nodes):
        if node.op == "call_method" and node.target in ("view", "view_as") and _is_shape(node, two):
            node.target = {"view": "reshape", "view_as": "reshape_as"}[node.target]
        source = next((n for n in node.all_input_nodes if isinstance(two.env.get(n), Tensor)), None)
        if source is None or not two.env[source].ndim:
            continue
        lengths = len(two.env[source]), len(three.env[source])
        for size in node.all_input_nodes:
            pair: tuple[Any, Any] = two.env.get(size), three.env.get(size)
            whole = type(pair[0]) is int and type(pair[1]) is int and pair[0] != pair[1]
            if whole and size.all_input_nodes != [source] and pair[0] * lengths[1] == pair[1] * lengths[0]:
                node.replace_input_with(size, _size(module.graph, node, source, Fraction(pair[0], lengths[0])))
    for node in reversed(list(module.graph.nodes)):
        unused = not node.users and node.op in ("call_function", "call_method")
        if unused and node in two.env and not isinstance(two.env[node], Tensor):
            module.graph.erase_node(node)
    module.recompile()


def size_condition(network: nn.Module, graph: fx.Graph, condition: fx.Node, probes: Sequence[Tensor]) -> bool | None:
    """The truth of a condition on sizes, if it is the same for all probes; ``None`` if it is not, or is on values."""
    values = _values(network, graph, condition, probes)
    same = not any(isinstance(value, Tensor) for value in values) and len(set(map(bool, values))) == 1
    return bool(values[0]) if same else None


def length(network: nn.Module, graph: fx.Graph, step: fx.Node, probes: Sequence[Tensor]) -> int | None:
    """Number of items in a tuple that a step yields, as a shape, if it is the same for all probes."""
    values = _values(network, graph, step, probes)
    same = all(isinstance(value, (tuple, list)) for value in values) and len(set(map(len, values))) == 1
    return len(values[0]) if same else None


def _values(network: nn.Module, graph: fx.Graph, step: fx.Node, probes: Sequence[Tensor]) -> list[Any]:
    """What a step of an unfinished graph yields for each of the probes; nothing if it fails for one."""
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        copies[node] = part.node_copy(node, copies.__getitem__)
    part.output(copies[step])
    for node in reversed(part.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            part.erase_node(node)
    module = copy.deepcopy(fx.GraphModule(network, part)).eval()
    try:
        with torch.no_grad():
            return [module(images) for images in probes]
    except Exception:  # noqa: BLE001 - the user's code on images of another size, which it need not take
        return []


def _size(graph: fx.Graph, user: fx.Node, source: fx.Node, share: Fraction) -> fx.Node:
    """A whole number that is the given share of the tensor ``source``'s first dimension."""
    with graph.inserting_before(user):
        made = [graph.call_method("size", (source, 0))]
        if share.numerator != 1:
            made.append(graph.call_function(operator.mul, (made[-1], share.numerator)))
        if share.denominator != 1:
            made.append(graph.call_function(operator.floordiv, (made[-1], share.denominator)))
    for node in made:
        node.meta.update(user.meta)
    return made[-1]


def _is_shape(node: fx.Node, two: Watch) -> bool:
    given: list[Any] = [*node.args[1:], *node.kwargs.values()]
    values = [two.env[item] if isinstance(item, fx.Node) else item for item in given]
    return all(isinstance(value, (int, tuple, list, Tensor)) for value in values)
