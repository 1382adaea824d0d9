"""Inspection of a network: its parts, and the explainers and metrics that fit it, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.wrapping import WrappedBackbone
from sembench.cost import tensor_count
from sembench.data.dataset import Normalisation
from sembench.explainers.configuration import recipe
from sembench.metrics.applicability import offer
from sembench.plugins.factory import is_factory
from sembench.plugins.registry import EXPLAINERS
from sembench.running.black_box import backbone_of
from sembench.seeding import isolated
from sembench.suites.suite import BackboneSpec
from sembench.types import Trait

_IMAGENET = 1000
_PLAIN = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def inspect_network(
    name: str, *, weights: str = "none", image_size: int = 224, blocks: Sequence[str] = (), n_classes: int | None = None
) -> Iterator[str]:
    """The lines of `sembench inspect` on a network; without ``n_classes``, its own, 1,000 for one of the registry.

    Raises:
        SuiteInvalid, PluginBroken: If there is no such network, or the weights do not fit.
        BackboneUnfit: If the network cannot be wrapped; says where it departs from the form.
    """
    spec = BackboneSpec(name=name, weights=weights, blocks=tuple(blocks) or None)
    with isolated(0):
        wanted = n_classes or (None if is_factory(name) else _IMAGENET)
        backbone = freeze(backbone_of(spec, wanted, image_size=image_size, normalisation=_PLAIN))
    yield from _structure(backbone, image_size)
    yield ""
    yield from _fits(backbone)


def _structure(backbone: Backbone, image_size: int) -> Iterator[str]:
    with torch.no_grad():
        maps = backbone.feature_maps(torch.zeros(1, 3, image_size, image_size))
    wrapped = backbone if isinstance(backbone, WrappedBackbone) else None
    yield f"parameters  {tensor_count(dict(backbone.state_dict())):,}"
    for number, features in enumerate(maps, 1):
        end = f"  up to {wrapped.facts[number - 1].name}" if wrapped else ""
        yield f"block {number}     {features.shape[1]} channels, {features.shape[2]}x{features.shape[3]} cells{end}"
    yield f"embedding   {backbone.dimension} channels" + (f", by {', '.join(wrapped.head)}" if wrapped else "")
    if wrapped is None:
        yield f"classes     {backbone.n_classes}"
        return
    new = "" if wrapped.outputs == backbone.n_classes else ": a new linear layer, to be trained"
    yield f"classes     {wrapped.outputs} in the network, {backbone.n_classes} wanted{new}"
    yield "answer      the parts give the logits of the whole"
    yield f"relevance   {wrapped.conserved:.3f} of it arrives at the pixels (1: conserved)"
    for path, why in wrapped.opaque.items():
        yield f"whole       {path} is not looked into: {why}"


def _fits(backbone: Backbone) -> Iterator[str]:
    for trait in Trait:
        yield f"no   {trait.value}: {backbone.lacks[trait]}" if trait in backbone.lacks else f"yes  {trait.value}"
    yield ""
    for name in EXPLAINERS.names():
        if "*" not in name:
            explainer = recipe(name, {}, "*")
            offered = offer(explainer, backbone)
            without = " and ".join(trait.value for trait in sorted(explainer.attribution_needs - backbone.traits))
            if offered.obstacle is not None:
                yield f"{name:<17}not applicable: {offered.obstacle}"
            else:
                yield f"{name:<17}fits" + (f", without maps: they need {without}" if without else "")
