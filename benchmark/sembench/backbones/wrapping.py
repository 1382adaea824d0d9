"""Turns any classifier into a backbone: its own steps, cut into blocks, pool and linear layer, not rewritten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from sembench.backbones.anatomy import Anatomy, dissect
from sembench.backbones.backbone import Backbone
from sembench.backbones.tracing import Trace
from sembench.data.dataset import Normalisation
from sembench.errors import BackboneUnfit
from sembench.types import Trait

_TOLERANCE = 1e-5


class Rescale(nn.Module):
    """From one normalisation of images to another: per colour channel, no weights.

    Args:
        given: Normalisation of the incoming images.
        wanted: Normalisation that the network expects.
    """

    def __init__(self, given: Normalisation, wanted: Normalisation) -> None:
        super().__init__()
        columns = (torch.tensor(x)[:, None, None] for x in (given.mean, given.std, wanted.mean, wanted.std))
        mean, std, own_mean, own_std = columns
        self.register_buffer("scale", std / own_std, persistent=False)
        self.register_buffer("shift", (mean - own_mean) / own_std, persistent=False)
        self.scale: Tensor
        self.shift: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to the same."""
        return images * self.scale + self.shift


@dataclass(frozen=True)
class BlockFacts:
    """The module that a block ends with, and the shape ``(D, h, w)`` of its output."""

    name: str
    shape: tuple[int, ...]


class WrappedBackbone(Backbone):
    """A classifier of any architecture as a backbone; made by `wrap`.

    Attributes:
        facts: Its blocks in words.
        head: Steps from the last feature map to the linear layer, in words.
        opaque: Modules that could not be traced, and why.
        outputs: Number of classes of the module as given.
        image_size: Height and width of the images that it was examined with, pixels.
        conserved: Share of the relevance that reaches the pixels, see `sembench.relevance.conservation`.
    """

    facts: tuple[BlockFacts, ...]
    head: tuple[str, ...]
    opaque: dict[str, str]
    outputs: int
    image_size: int
    conserved: float = math.nan


def wrap(
    network: nn.Module, *, image_size: int, blocks: Sequence[str] | None = None, n_classes: int | None = None
) -> WrappedBackbone:
    """A classifier as a backbone, checked numerically. A copy is cut; the module itself does not change.

    Args:
        network: A classifier that takes ``(B, 3, H, W)`` and returns logits ``(B, C)``; its last step is ``nn.Linear``.
        image_size: Height and width of the images, pixels.
        blocks: Submodules that the blocks end with, see `sembench.backbones.anatomy.dissect`.
        n_classes: Number of classes needed; if the module has another, a new linear layer, drawn from the global
            stream, replaces its last one.

    Raises:
        BackboneUnfit: If the network does not have this form; says where it departs from it.
    """
    trace = Trace(network, image_size)
    _require_finite(network, trace)
    anatomy = dissect(trace, blocks)
    *stages, pool = _segments(trace, anatomy)
    classifier = trace.module.get_submodule(str(anatomy.classifier.target))
    if not isinstance(classifier, nn.Linear):
        raise TypeError(f"{anatomy.classifier.target} is a {type(classifier).__name__}")  # `dissect` has checked it
    shapes = [node.meta["shape"][1:] for node in anatomy.cuts]
    backbone = WrappedBackbone(stages, classifier, pool=pool, channels=shapes[-1][0])
    backbone.eval()
    backbone.facts = tuple(BlockFacts(name, shape) for name, shape in zip(anatomy.names, shapes, strict=True))
    backbone.head, backbone.opaque, backbone.outputs = anatomy.head, trace.opaque, classifier.out_features
    backbone.image_size = image_size
    _require_same_answer(backbone, trace)
    _note_departures(backbone, trace, anatomy)
    if n_classes is not None and n_classes != classifier.out_features:
        device = classifier.weight.device
        backbone.classifier = nn.Linear(classifier.in_features, n_classes).to(device)
    return backbone.train(network.training)


def _segments(trace: Trace, anatomy: Anatomy) -> list[fx.GraphModule]:
    """The stretches up to each cut, and the one from the last cut to the classifier, each a module of its own."""
    ends = [*anatomy.cuts, anatomy.classifier.all_input_nodes[0]]
    steps = list(trace.module.graph.nodes)
    start = next(node for node in steps if node.op == "placeholder")
    parts, first = [], 0
    for end in ends:
        last = steps.index(end)
        parts.append(_segment(trace.module, steps[first : last + 1], start, end))
        start, first = end, last + 1
    return parts


def _segment(module: fx.GraphModule, steps: Sequence[fx.Node], start: fx.Node, end: fx.Node) -> fx.GraphModule:
    graph = fx.Graph()
    known = {start: graph.placeholder("x")}

    def find(node: fx.Node) -> fx.Node:
        if node not in known and node.op == "get_attr":
            known[node] = graph.node_copy(node)
        return known[node]

    for step in steps:
        if step.op not in ("placeholder", "get_attr"):
            known[step] = graph.node_copy(step, find)
    graph.output(known[end])
    return fx.GraphModule(module, graph)


def _require_finite(network: nn.Module, trace: Trace) -> None:
    """Raises `BackboneUnfit` unless the logits are finite; names the weights that are not, if there are any.

    A tensor that is not finite may be intended, e.g. a mask: it is an error only if the logits are not finite either.
    """
    if bool(torch.isfinite(trace.logits).all()):
        return
    tensors = [*network.named_parameters(), *network.named_buffers()]
    wrong = [name for name, tensor in tensors if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise BackboneUnfit(
            f"the weights hold NaN or infinity, in {len(wrong)} of {len(tensors)} tensors, the first is {wrong[0]!r}. "
            "Take a checkpoint from before the training diverged."
        )
    raise BackboneUnfit(
        f"the logits hold NaN or infinity on images of white noise of {trace.image_size} pixels, though every weight "
        "is finite: look for a division by zero, or an overflow, in the forward pass."
    )


def _require_same_answer(backbone: Backbone, trace: Trace) -> None:
    """Raises `BackboneUnfit` unless the parts together give the logits of the whole."""
    with torch.no_grad():
        logits = backbone(trace.probe)
    largest = float((logits - trace.logits).abs().max())
    if not largest <= _TOLERANCE * max(1.0, float(trace.logits.abs().max())):
        raise BackboneUnfit(
            f"taken apart, the network gives other logits (by up to {largest:.3g}): its forward pass depends on more "
            "than its input, e.g. on random numbers or on state."
        )


def _note_departures(backbone: WrappedBackbone, trace: Trace, anatomy: Anatomy) -> None:
    """Notes under ``lacks`` what lies between the last feature map's average and the embedding, if they differ."""
    with torch.no_grad():
        features = backbone.features(trace.probe)
        embedding = backbone.average(features)
    average = features.mean((2, 3))
    steps = ", ".join(anatomy.head)
    if embedding.ndim != 2:
        raise BackboneUnfit(f"the linear layer takes {tuple(embedding.shape)}; it has to take embeddings (B, D).")
    if average.shape != embedding.shape:
        reason = f"{average.shape[1]} channels become an embedding of {embedding.shape[1]} through {steps}"
    elif not torch.allclose(average, embedding, rtol=1e-4, atol=1e-5 * max(1.0, float(average.abs().max()))):
        reason = f"between the last feature map and the linear layer stand {steps}"
    else:
        return
    backbone.lacks[Trait.LINEAR_HEAD] = f"its head is not a linear layer on the average of the feature map: {reason}"
