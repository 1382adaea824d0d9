"""Sizes read early and used late, as ``B = x.shape[0]`` at the top of a forward pass."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.backbones.overwriting import Watch, tensors
from sembench.errors import BackboneUnfit

_SIZES = (int, float, tuple, torch.Size)


class OneSize(nn.Identity):
    """Images of the one size that a network was taken apart for, since it reads that size early and uses it late."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = height, width

    def forward(self, input: Tensor) -> Tensor:
        """The images. Raises `BackboneUnfit` if they have another size."""
        if tuple(input.shape[2:]) != self.size:
            raise BackboneUnfit(
                f"the network was taken apart for images of {self.size[0]} x {self.size[1]}, a size that its forward "
                f"pass reads early and uses late; got {' x '.join(map(str, input.shape[2:]))}. Name the size of the "
                "images when the network is adapted."
            )
        return input


def take_sizes_near(module: fx.GraphModule, two: Watch, three: Watch, others: Callable[[], list[Watch]]) -> None:
    """Lets each step read the number of images from a tensor that it takes, and reshape in any memory format.

    Other sizes that are used behind a value that everything passes through, and were read before it, are read from it
    if it has them for images of every size; else they become numbers, and the images have to be of one size. Nothing
    but tensors then leads from one block to the next.

    Args:
        module: The graph, which changes.
        two: Its run on two images.
        three: Its run on three.
        others: Makes its runs on two images of other sizes; none if it does not take them.
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
    _take_near_what_is_late(module, two, three, others)
    for node in reversed(list(module.graph.nodes)):
        unused = not node.users and node.op in ("call_function", "call_method")
        if unused and node in two.env and not isinstance(two.env[node], Tensor):
            module.graph.erase_node(node)
    module.recompile()


def _take_near_what_is_late(
    module: fx.GraphModule, two: Watch, three: Watch, others: Callable[[], list[Watch]]
) -> None:
    steps = {node: place for place, node in enumerate(module.graph.nodes) if node.op != "output"}
    read: dict[fx.Node, int] = {}  # the place of the first value that a size comes from
    for node in steps:
        if node.all_input_nodes and not tensors(two.env.get(node)):
            read[node] = min(read.get(source, steps[source]) for source in node.all_input_nodes)
    passed: list[fx.Node] = []
    furthest = -1
    for node, place in steps.items():
        if node in read or node.op == "get_attr":
            continue
        if furthest <= place and node.op != "placeholder" and not _only_looks(node, two):
            passed.append(node)
        furthest = max([furthest, *(steps[user] for user in node.users if user in steps and user not in read)])
    late = [
        (user, size)
        for user in steps
        for size in user.all_input_nodes
        if user not in read and size in read and any(read[size] < steps[node] < steps[user] for node in passed)
        if type(two.env.get(size)) in _SIZES and two.env[size] == three.env[size]
    ]
    runs = [two, *(others() if late else ())]
    fixed = False
    for user, size in late:
        source = [node for node in passed if steps[node] < steps[user]][-1]
        shapes = [tuple(getattr(run.env[source], "shape", ())) for run in runs]
        near = _near(module.graph, user, source, [run.env[size] for run in runs], shapes)
        fixed = fixed or near is None
        instead = two.env[size] if near is None else near
        user.args, user.kwargs = (_with(size, instead, arguments) for arguments in (user.args, user.kwargs))
    if fixed:
        (images,) = (node for node in steps if node.op == "placeholder")
        module.add_submodule("one_size", OneSize(*two.env[images].shape[2:]))
        with module.graph.inserting_after(images):
            checked = module.graph.call_module("one_size", (images,))
        images.replace_all_uses_with(checked, lambda user: user is not checked)


def _only_looks(node: fx.Node, two: Watch) -> bool:
    """Whether a step, as a flatten, yields the memory that it takes in another form than a map; no block ends there."""
    value = two.env.get(node)
    taken = {t.untyped_storage().data_ptr() for source in node.all_input_nodes for t in tensors(two.env.get(source))}
    return isinstance(value, Tensor) and value.ndim != 4 and value.untyped_storage().data_ptr() in taken


def _near(graph: fx.Graph, user: fx.Node, source: fx.Node, sizes: list[Any], shapes: list[Any]) -> Any:
    """A size, or a tuple of them, as lengths of ``source``, or as a number that is always the same; else ``None``.

    Args:
        graph: The graph, which gets steps before ``user``.
        user: The step that takes the size.
        source: The last value before it that everything passes through.
        sizes: The size for images of each size.
        shapes: The shape of that value.
    """
    if len(sizes) > 1 and all(size == sizes[0] for size in sizes):
        return sizes[0]
    if isinstance(sizes[0], tuple):
        items = [_near(graph, user, source, list(item), shapes) for item in zip(*sizes, strict=True)]
        return None if None in items else tuple(items)
    same = [n for n in range(1, len(shapes[0])) if all(s == shape[n] for s, shape in zip(sizes, shapes, strict=True))]
    if len(sizes) == 1 or not same:
        return None
    with graph.inserting_before(user):
        made = graph.call_method("size", (source, same[0]))
    made.meta.update(user.meta)
    return made


def _with(size: fx.Node, instead: Any, arguments: Any) -> Any:
    return fx.node.map_arg(arguments, lambda node: instead if node is size else node)


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
