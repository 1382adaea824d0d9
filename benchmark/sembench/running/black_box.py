"""Makes backbones from the settings of a suite, or from a module, and examines how they propagate relevance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

from torch import nn

from sembench.backbones.backbone import Backbone, built, freeze
from sembench.backbones.wrapping import Rescale, wrap
from sembench.data.dataset import Normalisation
from sembench.errors import SuiteInvalid
from sembench.plugins.registry import BACKBONES
from sembench.relevance.conservation import examine_relevance
from sembench.suites.suite import BackboneSpec


def adapt(
    network: nn.Module, *, image_size: int, blocks: Sequence[str] | None = None, n_classes: int | None = None
) -> Backbone:
    """Your own trained classifier as a frozen backbone; the module itself does not change.

    ``lacks`` of the result gives the reasons why explainers or metrics do not apply to it, if there are any.

    Args:
        network: A classifier from ``(B, 3, H, W)`` to logits ``(B, C)`` that ends in ``nn.Linear``. Images are passed
            to it as they are: normalise them as it expects.
        image_size: Height and width of the images, pixels.
        blocks: Submodules that the blocks end with; found automatically if left out.
        n_classes: Number of classes, if not the module's: a new last layer is then drawn from the global stream.

    Raises:
        BackboneUnfit: If the network does not have this form; says where it departs from it.
    """
    make = functools.partial(wrap, network, image_size=image_size, blocks=blocks, n_classes=n_classes)
    return examine_relevance(freeze(built(make)))


def backbone_of(
    spec: BackboneSpec, n_classes: int | None, *, image_size: int, normalisation: Normalisation
) -> Backbone:
    """The backbone that a suite asks for, with its initial weights, drawn from the global stream.

    Number of classes, size in pixels and normalisation are those of the data set; ``n_classes`` is ``None`` for those
    of the user's network.

    Raises:
        SuiteInvalid: If these settings do not go together.
        BackboneUnfit: If the network cannot be wrapped.
    """
    return examine_relevance(built(functools.partial(_made, spec.in_place(), n_classes, image_size, normalisation)))


def _made(spec: BackboneSpec, n_classes: int | None, image_size: int, normalisation: Normalisation) -> Backbone:
    name, factory = spec.name, BACKBONES.get(spec.name)
    options: dict[str, Any] = {"weights": spec.weights}
    accepted = inspect.signature(factory).parameters
    if "image_size" in accepted:
        options["image_size"] = image_size
    if spec.blocks:
        if "blocks" not in accepted:
            raise SuiteInvalid(f"the blocks of backbone {name!r} are fixed; leave out blocks = {list(spec.blocks)}.")
        options["blocks"] = list(spec.blocks)
    backbone: Backbone = factory(n_classes, **options)
    outputs = getattr(backbone, "outputs", n_classes)
    if spec.frozen and outputs != n_classes:
        raise SuiteInvalid(
            f"backbone {name!r} is frozen, but has {outputs} classes where the data set has {n_classes}. Leave out "
            "frozen, and a new linear layer is trained with the rest."
        )
    if spec.mean is not None and spec.std is not None:
        wanted = Normalisation(spec.mean, spec.std)
        backbone.blocks[0] = nn.Sequential(Rescale(normalisation, wanted), backbone.blocks[0])
    return backbone
