"""Finds a network's blocks, its average pool and its linear layer in the graph of its forward pass."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import fx, nn

from sembench.backbones.layouts import Views, called_by, cuts_of, feature_maps, shape_of, tensors_of
from sembench.backbones.tracing import Trace
from sembench.backbones.views import View
from sembench.errors import BackboneUnfit

_STAGES = 4
"""Number of blocks by default, that of a ResNet's stages: ``b4`` then means the last one."""

_POOL_MODULES = (nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.MaxPool2d)
_POOL_FUNCTIONS = {
    F.adaptive_avg_pool2d, F.avg_pool2d, F.adaptive_max_pool2d, F.max_pool2d, torch.mean, torch.amax, torch.sum, "mean",
    "amax", "sum",
}  # fmt: skip
_WEIGHTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Anatomy:
    """The parts of a network, as steps of its graph.

    Attributes:
        cuts: Last step of each block; that of the last block yields the last feature map.
        views: Where the map stands in what each of them yields.
        names: What each block ends with, in the user's names.
        classifier: The last step, a linear layer; ``None`` in an encoder without one.
        end: The step that yields what the linear layer takes, or the encoder's output.
        head: Steps between the last feature map and the classifier, in words.
    """

    cuts: tuple[fx.Node, ...]
    views: tuple[View, ...]
    names: tuple[str, ...]
    classifier: fx.Node | None
    end: fx.Node
    head: tuple[str, ...]


def dissect(trace: Trace, blocks: Sequence[str] | None = None, *, encoder: bool = False) -> Anatomy:
    """Finds the parts.

    Args:
        trace: The network's graph.
        blocks: Submodules that the blocks end with, shallow to deep; the last block extends to the last feature map.
            By default the blocks are the stretches of one resolution that hold weights, at most the last four; earlier
            steps belong to the first block. In a transformer of one resolution they are four equal depths.
        encoder: Whether a network that does not end in a linear layer will do.

    Raises:
        BackboneUnfit: If the last step is not a linear layer, there is no feature map, or a named block cannot be one.
    """
    views = feature_maps(trace)
    classifier, end = _classifier(trace, encoder)
    between, last = _head(trace, views, end)
    usable = [node for node in cuts_of(trace.module.graph) if node in views]
    if last not in usable:
        raise BackboneUnfit(
            f"the last feature map, {trace.name(last)}, is one of several values that the rest of the network uses; "
            "blocks need a place that everything passes through."
        )
    usable = usable[: usable.index(last) + 1]
    cuts = _by_resolution(trace, views, usable) if blocks is None else _by_name(trace, blocks, usable)
    return Anatomy(
        cuts,
        tuple(views[node] for node in cuts),
        tuple(trace.name(node) for node in cuts),
        classifier,
        end,
        tuple(_word(trace, node) for node in between),
    )


def _classifier(trace: Trace, encoder: bool) -> tuple[fx.Node | None, fx.Node]:
    """The linear layer that yields the logits, and the step that yields what it takes.

    Raises:
        BackboneUnfit: If the last step is no linear layer, unless an encoder, which has none, will do.
    """
    (output,) = (node for node in trace.module.graph.nodes if node.op == "output")
    node = output.args[0]
    while isinstance(node, fx.Node) and isinstance(called_by(trace.module, node), (nn.Identity, nn.Dropout)):
        node = node.args[0]
    if encoder and isinstance(node, fx.Node) and not isinstance(called_by(trace.module, node), nn.Linear):
        return None, node
    if not isinstance(node, fx.Node) or not isinstance(called_by(trace.module, node), nn.Linear):
        last = _word(trace, node) if isinstance(node, fx.Node) else type(node).__name__
        raise BackboneUnfit(
            f"the last step is {last}, not a linear layer (nn.Linear) that gives the logits; take a softmax off, or "
            "look inside a module that stays whole. An encoder without a classifier is taken with embedding = 'avg' or "
            "'cls'; a new linear layer is then trained."
        )
    return node, tensors_of(node)[0]


def _head(trace: Trace, views: Views, node: fx.Node) -> tuple[list[fx.Node], fx.Node]:
    """The steps between the last feature map and what the classifier takes, and the step that yields that map.

    The map is what the last pooling takes; without one, the last value of two spatial dimensions.
    """
    between: list[fx.Node] = []
    flat: list[fx.Node] | None = None
    from_images: set[fx.Node] = set()
    for step in trace.module.graph.nodes:
        if step.op == "placeholder" or from_images.intersection(step.all_input_nodes):
            from_images.add(step)
    while True:
        inputs = [source for source in tensors_of(node) if source in from_images]
        if inputs and _is_pool(trace.module, node) and inputs[0] in views:
            return [*between, node][::-1], inputs[0]
        if flat is None and node in views:
            flat, at = list(between), node
        many_cells = node in views and _cells(views[node]) > 1
        if len(inputs) != 1 or (many_cells and isinstance(called_by(trace.module, node), _WEIGHTS)):
            break
        between.append(node)
        node = inputs[0]
    if flat is None:
        raise BackboneUnfit(
            f"there is no feature map (B, D, h, w) before the last linear layer; the way back ends at "
            f"{trace.name(node)}. Explanations need a convolutional network, or a transformer on patches."
        )
    return flat[::-1], at


def _by_resolution(trace: Trace, views: Views, usable: list[fx.Node]) -> tuple[fx.Node, ...]:
    """One step for each resolution: the deepest of those that lie least deep within modules, behind new weights.

    A stretch without weights, as of a pooling alone, belongs to the next one, and the last of all to the one before.
    """
    weights = _weights_so_far(trace.module)
    groups = [list(group) for _, group in itertools.groupby(usable, lambda node: _cells(views[node]))]
    cuts: list[fx.Node] = []
    for group in groups[:-1]:
        behind = [node for node in group if weights[node] > (weights[cuts[-1]] if cuts else 0)]
        if behind:
            shallowest = min(trace.depth(node) for node in behind)
            cuts.append([node for node in behind if trace.depth(node) == shallowest][-1])
    if cuts and weights[usable[-1]] == weights[cuts[-1]]:
        cuts.pop()
    if not cuts and views[usable[-1]].layout == "tokens":
        cuts = _depths(trace, usable)
    return tuple([*cuts, usable[-1]][-_STAGES:])


def _depths(trace: Trace, usable: list[fx.Node]) -> list[fx.Node]:
    """Ends of the first three quarters of a transformer's blocks: the most siblings whose outputs are cuts."""
    siblings: dict[str, list[fx.Node]] = {}
    for path, node in trace.outputs.items():
        parent, _, name = path.rpartition(".")
        if node in usable and any(letter.isdigit() for letter in name):
            siblings.setdefault(parent, []).append(node)
    longest = max(siblings.values(), key=len, default=[])
    wanted = {round(len(longest) * quarter / _STAGES) - 1 for quarter in range(1, _STAGES)}
    return [node for place, node in enumerate(longest) if place in wanted and node is not usable[-1]]


def _weights_so_far(module: fx.GraphModule) -> dict[fx.Node, int]:
    """Number of modules with weights that have run after each step."""
    counts = itertools.accumulate(_has_weights(called_by(module, node)) for node in module.graph.nodes)
    return dict(zip(module.graph.nodes, counts, strict=True))


def _by_name(trace: Trace, names: Sequence[str], usable: list[fx.Node]) -> tuple[fx.Node, ...]:
    cuts = []
    for name in names:
        node = trace.outputs.get(name)
        if node is None:
            inside = [path for path in trace.opaque if name.startswith(f"{path}.")]
            near = difflib.get_close_matches(name, trace.outputs, n=3, cutoff=0.5)
            why = f"it lies inside {inside[0]!r}, which stays whole" if inside else f"near matches: {near or 'none'}"
            raise BackboneUnfit(f"block {name!r} is no step of the network ({why}).")
        if node not in usable:
            raise BackboneUnfit(
                f"block {name!r} cannot end a block: its output is {shape_of(node)}, and everything after it has to "
                "depend on that alone, up to the last feature map. Accepted are among others "
                f"{', '.join(dict.fromkeys(trace.name(n) for n in usable[-8:]))}."
            )
        cuts.append(node)
    order = [usable.index(node) for node in cuts]
    if not cuts or sorted(set(order)) != order:
        raise BackboneUnfit(f"blocks have to be named shallow to deep, each once; got {', '.join(names) or 'none'}.")
    return (*cuts[:-1], usable[-1])


def _has_weights(module: nn.Module | None) -> bool:
    return module is not None and any(isinstance(part, _WEIGHTS) for part in module.modules())


def _is_pool(module: fx.GraphModule, node: fx.Node) -> bool:
    called = called_by(module, node)
    return isinstance(called, _POOL_MODULES) if called is not None else node.target in _POOL_FUNCTIONS


def _cells(view: View) -> int:
    return view.height * view.width


def _word(trace: Trace, node: fx.Node) -> str:
    called = called_by(trace.module, node)
    return type(called).__name__ if called is not None else getattr(node.target, "__name__", str(node.target))
