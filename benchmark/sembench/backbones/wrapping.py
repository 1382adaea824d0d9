"""Turns any classifier into a backbone: its own steps, cut into blocks, pool and linear layer, not rewritten."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sembench.backbones.anatomy import Anatomy, dissect
from sembench.backbones.backbone import Backbone
from sembench.backbones.checks import (
    require_finite,
    require_linear,
    require_same_answer,
    require_single_precision,
)
from sembench.backbones.copying import close
from sembench.backbones.modes import training_departure
from sembench.backbones.segment import Segment, segment
from sembench.backbones.tracing import Trace
from sembench.backbones.views import View
from sembench.data.normalisation import Normalisation
from sembench.errors import BackboneUnfit, in_one_line
from sembench.types import Trait

NOT_AVERAGE = "its head is not a linear layer on the average of the feature map"

_ROUNDING = 1e-5

Embedding = Literal["network", "avg", "cls"]


class Rescale(nn.Module):
    """From one normalisation of images to another: per colour channel, no weights.

    Args:
        given: Normalisation of the incoming images.
        wanted: Normalisation that the network expects.
    """

    def __init__(self, given: Normalisation, wanted: Normalisation) -> None:
        super().__init__()
        self.given, self.wanted = given, wanted
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
        notes: Sentences on what differs from the module as given.
        conserved: Share of the relevance that reaches the pixels, see `sembench.relevance.conservation`.
    """

    facts: tuple[BlockFacts, ...]
    head: tuple[str, ...]
    opaque: dict[str, str]
    outputs: int
    image_size: int
    conserved: float = math.nan
    notes: tuple[str, ...] = ()


class MapAverage(nn.Module):
    """The average over the cells of a feature map, wherever it stands in a block's output."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view

    def forward(self, output: Tensor) -> Tensor:
        """A block's output to ``(B, D)``."""
        return self.view.map(output).mean((2, 3))


class ClassToken(nn.Module):
    """The first token of a transformer's output."""

    def forward(self, output: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, D)``."""
        return output[:, 0]


def wrap(
    network: nn.Module,
    *,
    image_size: int,
    blocks: Sequence[str] | None = None,
    n_classes: int | None = None,
    embedding: Embedding = "network",
) -> WrappedBackbone:
    """A classifier as a backbone, checked numerically. A copy is cut; the module itself does not change.

    Args:
        network: A classifier that takes ``(B, 3, H, W)`` and returns logits ``(B, C)``; its last step is ``nn.Linear``.
        image_size: Height and width of the images, pixels.
        blocks: Submodules that the blocks end with, see `sembench.backbones.anatomy.dissect`.
        n_classes: Number of classes needed; if the module has another, a new linear layer, drawn from the global
            stream, replaces its last one.
        embedding: ``"network"``: what the linear layer takes. ``"avg"``: the average over the cells of the last feature
            map, without tokens of no place. ``"cls"``: the first token, that of the class. Where the network takes
            another one, or has no linear layer at all, a new linear layer is drawn.

    Raises:
        BackboneUnfit: If the network does not have this form; says where it departs from it.
    """
    trace = Trace(network, image_size)
    require_finite(network, trace.logits, image_size)
    anatomy = dissect(trace, blocks, encoder=embedding != "network")
    *stages, pool = _segments(trace, anatomy)
    classifier = _classifier(trace, anatomy)
    shapes = _map_shapes(anatomy)
    backbone = WrappedBackbone(stages, classifier, pool=pool, channels=shapes[-1][0], views=anatomy.views)
    backbone.eval()
    backbone.facts = tuple(BlockFacts(name, shape) for name, shape in zip(anatomy.names, shapes, strict=True))
    backbone.head, backbone.opaque, backbone.image_size = anatomy.head, trace.opaque, image_size
    backbone.outputs = 0 if anatomy.classifier is None else classifier.out_features
    require_same_answer(backbone, trace.probe, trace.logits)
    require_single_precision(backbone, trace.probe, anatomy.names)
    require_linear(backbone, trace.probe)
    backbone.notes = tuple(trace.notes)
    backbone.untrainable = trace.untrainable or training_departure(trace.original, trace.module, backbone, trace.probe)
    if embedding != "network":
        _embed_otherwise(backbone, trace, embedding)
    _note_departures(backbone, trace)
    _fit_classes(backbone, n_classes, classifier.in_features if embedding == "network" else backbone.channels)
    return backbone.train(network.training)


def wrapped(
    make: Callable[[int | None, int, str], nn.Module],
    n_classes: int | None,
    *,
    image_size: int,
    weights: str = "none",
    blocks: Sequence[str] | None = None,
    embedding: Embedding = "network",
) -> WrappedBackbone:
    """A network as a backbone, see `wrap`: the factory behind names of torchvision, of timm, and of the user's own.

    Args:
        make: Makes the network, from the number of classes, the size of images and the weights.
        n_classes: Classes of the data set; a network with another number of outputs gets a new linear layer. ``None``:
            those of the network.
        image_size: Height and width of the images, pixels.
        weights: ``"none"``: drawn from the global stream; a name of published ones; or a file.
        blocks: Submodules that the blocks end with.
        embedding: What the embedding is.

    Raises:
        SuiteInvalid, PluginBroken: If the network cannot be made, or the weights cannot be fetched, read or fitted.
        BackboneUnfit: If the network cannot be made for images of this size, or cannot be wrapped.
    """
    try:
        network = make(n_classes, image_size, weights)
    except (AssertionError, ValueError) as error:
        raise BackboneUnfit(
            f"the network cannot be made for images of {image_size} pixels: {in_one_line(error)}. Name a size that it "
            "takes."
        ) from error
    return wrap(network, image_size=image_size, blocks=blocks, n_classes=n_classes, embedding=embedding)


def _classifier(trace: Trace, anatomy: Anatomy) -> nn.Linear:
    """The network's linear layer; for an encoder without one, a layer that gives the embedding itself."""
    if anatomy.classifier is not None:
        found = trace.module.get_submodule(str(anatomy.classifier.target))
        if not isinstance(found, nn.Linear):
            raise TypeError(f"{anatomy.classifier.target} is a {type(found).__name__}")  # `dissect` has checked it
        return found
    identity = torch.eye(trace.logits.shape[1], device=trace.logits.device)
    layer = nn.Linear(len(identity), len(identity), bias=False)
    layer.weight = nn.Parameter(identity)
    return layer


def _map_shapes(anatomy: Anatomy) -> list[tuple[int, ...]]:
    """Shapes ``(D, h, w)`` of the feature maps that the blocks end with."""
    outputs = (node.meta["shape"] for node in anatomy.cuts)
    return [
        (shape[1] if view.layout == "map" else shape[-1], view.height, view.width)
        for view, shape in zip(anatomy.views, outputs, strict=True)
    ]


def _embed_otherwise(backbone: WrappedBackbone, trace: Trace, embedding: Embedding) -> None:
    """Puts another pooling in the place of the network's; its linear layer does not fit then."""
    view = backbone.views[-1]
    if embedding == "cls" and not view.before:
        raise BackboneUnfit(
            "embedding = 'cls' needs a token of the class before those of the cells, which the last feature map does "
            "not have; take 'avg', or leave it out."
        )
    with torch.no_grad():
        before = backbone.embed(trace.probe)
        backbone.pool = MapAverage(view) if embedding == "avg" else ClassToken()
        after = backbone.embed(trace.probe)
    if not close(before, after, _ROUNDING):
        backbone.outputs = 0
        backbone.head = ("mean over cells",) if embedding == "avg" else ("first token",)


def _fit_classes(backbone: WrappedBackbone, n_classes: int | None, channels: int) -> None:
    """Draws a new linear layer where the network's does not fit the embedding or the number of classes."""
    wanted = n_classes if n_classes is not None else backbone.classifier.out_features if backbone.outputs else None
    if wanted is None:
        raise BackboneUnfit(
            "the network has no linear layer for this embedding, and the number of classes is not known; give it."
        )
    if wanted != backbone.outputs or channels != backbone.classifier.in_features:
        backbone.classifier = nn.Linear(channels, wanted).to(backbone.device)


def _segments(trace: Trace, anatomy: Anatomy) -> list[Segment]:
    """The stretches up to each cut, and the one from the last cut to the classifier, each a module of its own."""
    ends = [*anatomy.cuts, anatomy.end]
    steps = list(trace.module.graph.nodes)
    start = next(node for node in steps if node.op == "placeholder")
    parts, first = [], 0
    for end in ends:
        last = steps.index(end)
        parts.append(segment(trace.module, steps[first : last + 1], start, end))
        start, first = end, last + 1
    return parts


def _note_departures(backbone: WrappedBackbone, trace: Trace) -> None:
    """Notes what lies between the last feature map and the linear layer, if that is more than an average."""
    with torch.no_grad():
        features, embedding = backbone.features(trace.probe), backbone.embed(trace.probe)
        of_map = backbone.average(features)
    if not close(of_map, embedding, _ROUNDING):
        steps = ", ".join(backbone.head)
        backbone.embeds_more = f"its embedding is no function of the last feature map: it is taken by {steps}"
    reason = departure(backbone, features, embedding)
    if reason is not None:
        backbone.lacks[Trait.LINEAR_HEAD] = reason


def departure(backbone: Backbone, features: Tensor, embedding: Tensor) -> str | None:
    """Why the embedding ``(B, D)`` is not the average of the last feature map ``(B, D, h, w)``; ``None`` if it is."""
    average = features.mean((2, 3))
    steps = ", ".join(backbone.head) if isinstance(backbone, WrappedBackbone) else type(backbone.pool).__name__
    if backbone.views[-1].before and steps in ("getitem", "select", "first token"):
        return f"{NOT_AVERAGE}: it takes the token of the class; embedding = 'avg' takes the average"
    if average.shape != embedding.shape:
        reason = f"{average.shape[1]} channels become an embedding of {embedding.shape[1]} through {steps}"
    elif not close(average, embedding, _ROUNDING):
        reason = f"between the last feature map and the linear layer stand {steps}"
    else:
        return None
    return f"{NOT_AVERAGE}: {reason}"
