"""Traits of a network, decided by measurement: whether its head is linear, and whether relevance reaches the pixels."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from sembench.backbones.backbone import Backbone
from sembench.backbones.tracing import probe_images
from sembench.backbones.wrapping import NOT_AVERAGE, WrappedBackbone, departure
from sembench.errors import BackboneUnfit, ContractBroken, RelevanceUndefined
from sembench.relevance.fallback import ADVICE, LRP, TITLES
from sembench.relevance.propagation import shares
from sembench.seeding import generator
from sembench.types import Trait

TOLERANCE = 0.2
"""Share of the relevance that may be lost or gained: padding outside of convolutions takes a little, a step without a
rule nearly all, or multiplies it."""

_PROBES = 4
_SETTLING = 16  # normalised by statistics of fewer values, a deep network magnifies rounding errors to percents
_CANCELLING = 100.0  # relevance, of 1 put on the output, beyond which sums of what cancels have made it
_NOT_DEFINED = "relevance propagation is not defined on it"

Examined = TypeVar("Examined", bound=Backbone)


def conserved_share(backbone: Backbone, images: Tensor) -> Tensor:
    """Sum of relevance over pixels and constants, as a share of what was put on the largest logit, biases taking none.

        share = (sum_x R(x) + sum_c R_c) / R_logit

    Constants ``c`` are those of a network that divides by statistics of the image, see
    `sembench.relevance.propagation.shares`.

    Args:
        backbone: The network, in evaluation mode.
        images: Normalised images ``(B, 3, H, W)``.

    Returns:
        ``(B,)``, unbounded; 1 (best) where relevance is conserved. Costs one attribution; one more for each image
        where constants take a part.

    Raises:
        RelevanceUndefined: If a step of the network has no rule; names it.

    Examples:
        >>> from sembench.backbones.resnet import resnet10_narrow
        >>> conserved_share(resnet10_narrow(5).eval(), torch.zeros(2, 3, 33, 33)).shape
        torch.Size([2])
    """
    pixels, constants = shares(backbone, Backbone.forward, images, _largest, bias="zero")
    if constants != 0 and len(images) > 1:
        return torch.cat([conserved_share(backbone, image[None]) for image in images])
    return pixels.sum((1, 2)) + constants


def _largest(logits: Tensor) -> Tensor:
    """A relevance of 1 on the largest logit of each image."""
    return torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0)


def examine(backbone: Examined, images: Tensor | None = None, *, image_size: int | None = None) -> Examined:
    """Decides the traits of a network and notes under ``lacks`` why it has not all; returns the same backbone.

    With images it is measured as it is, which is for after training or loading. Without, it is measured on noise, with
    statistics of normalisation layers set to that, so that the result depends on the architecture and hardly on its
    weights. What an earlier call noted is replaced.

    `Trait.LINEAR_HEAD`: logits are ``z W^T + b``, and the embedding ``z`` is the average of the last feature map.
    `Trait.RELEVANCE`: from `conserved_share`, of every image that has an embedding other than 0; not there where the
    backbone declares another ``attribution``. Costs three forward passes of four images and one attribution; without
    images and with running statistics, a forward pass of sixteen more.

    Args:
        backbone: The network; its mode and its weights stay as they are.
        images: Normalised images ``(B, 3, H, W)`` as the network will see them; the first four are used.
        image_size: Height and width of the noise, pixels; by default those that the backbone was wrapped for.

    Raises:
        ValueError: If there are neither images nor their size.
        BackboneUnfit: If blocks, pool and linear layer of the network do not fit together.
    """
    if images is None:
        size = image_size or getattr(backbone, "image_size", None)
        if not size:
            raise ValueError("a backbone is examined on images; give some, or their size as image_size.")
        noise = probe_images(_SETTLING, size).to(backbone.device, backbone.classifier.weight.dtype)
        probes, measured = noise[:_PROBES], _settled(backbone, noise)
    else:
        probes = images[:_PROBES].to(backbone.device)
        measured = backbone
    with _evaluating(measured):
        with torch.no_grad():
            embeddings, head = _head(measured, probes)
        dead = embeddings.abs().amax(1) == 0  # an image without an embedding has no relevance to lose
        relevance, share = _relevance(measured, probes if bool(dead.all()) else probes[~dead])
    if isinstance(backbone, WrappedBackbone):
        backbone.conserved = share
    for trait, reason in ((Trait.LINEAR_HEAD, head), (Trait.RELEVANCE, relevance)):
        backbone.lacks.pop(trait, None)
        if reason is not None:
            backbone.lacks[trait] = reason
    return backbone


def _head(backbone: Backbone, images: Tensor) -> tuple[Tensor, str | None]:
    """Embeddings ``(B, D)``, and the reason why the head is not linear on the average; ``None`` where it is."""
    features, embeddings = backbone.features(images), backbone.embed(images)
    if features.ndim != 4 or embeddings.shape != (len(images), backbone.dimension):
        raise BackboneUnfit(
            f"the last block yields {tuple(features.shape)} and the pool {tuple(embeddings.shape)}; a feature map "
            f"(B, D, h, w) and an embedding (B, {backbone.dimension}) for the linear layer are needed."
        )
    linear = F.linear(embeddings, backbone.classifier.weight, backbone.classifier.bias)
    logits = backbone(images)
    if not _equal(logits, linear):
        gap = float((logits - linear).abs().max()) if logits.shape == linear.shape else float("inf")
        return (
            embeddings,
            f"its logits are not those of a linear layer on the embedding: by up to {gap:.3g} off z W^T + b",
        )
    reason = departure(backbone, features, embeddings)
    known = backbone.lacks.get(Trait.LINEAR_HEAD, "")  # what a factory knows names the steps between
    return embeddings, known if reason is not None and known.startswith(NOT_AVERAGE) else reason


def _equal(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    tolerance = torch.finfo(other.dtype).eps ** 0.5 * float(other.abs().max())
    return bool(((one - other).abs() <= tolerance).all())


def _relevance(backbone: Backbone, images: Tensor) -> tuple[str | None, float]:
    """The reason why relevance propagation is not available, ``None`` where it is, and the mean conserved share."""
    if backbone.attribution != LRP:
        return instead(backbone), float("nan")
    if not bool(backbone.classifier.weight.any()):
        return "its linear layer holds zeros alone, so that its logits say nothing of an image; train it", float("nan")
    try:
        found = conserved_share(backbone, images)
    except RelevanceUndefined as undefined:
        return not_defined(undefined), float("nan")
    except ContractBroken as broken:
        return str(broken).rstrip("."), float("nan")
    share = float(found.mean())
    if bool(((found - 1).abs() <= TOLERANCE).all()):
        return None, share
    worst = float(found[(found - 1).abs().argmax()])
    grown = float(shares(backbone, Backbone.forward, images, _largest, bias="zero")[0].abs().sum((1, 2)).max())
    why = "so some step of the network has no rule"
    if grown > _CANCELLING:
        why = f"of {grown:.2g} of both signs: it grows where branches of opposite sign nearly cancel in a sum"
    return (
        f"{_NOT_DEFINED}: {worst:.3g} of the relevance arrives at the pixels (1 is conserved), {why}; {ADVICE}",
        share,
    )


def not_defined(error: RelevanceUndefined) -> str:
    """The reason why there is no relevance propagation through a step without a rule.

    Examples:
        >>> not_defined(RelevanceUndefined("its step 'sin' has no rule of relevance"))[:83]
        "relevance propagation is not defined on it: its step 'sin' has no rule of relevance"
    """
    return f"{_NOT_DEFINED}: {str(error).rstrip('.')}; {ADVICE}"


def instead(backbone: Backbone) -> str:
    """The reason why there is no relevance propagation on a backbone that declares another way to make maps.

    Examples:
        >>> from sembench.backbones.resnet import resnet10_narrow
        >>> network = resnet10_narrow(5)
        >>> network.attribution = "grad-cam"
        >>> instead(network)
        'maps are made by Grad-CAM on this network (attribution = "grad-cam"), not by relevance propagation'
    """
    kind = backbone.attribution
    return (
        f'maps are made by {TITLES.get(kind, kind)} on this network (attribution = "{kind}"), not by relevance '
        "propagation"
    )


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Context in which a network is in evaluation mode; every module has its own mode again afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _settled(backbone: Backbone, images: Tensor) -> Backbone:
    """A copy in evaluation mode whose normalisation layers hold the statistics of these images, layer by layer.

    A linear layer of zeros, as some transformers begin with, is drawn.
    """
    copied = copy.deepcopy(backbone).eval()
    linear = copied.classifier.weight
    if not bool(linear.any()):
        drawn = torch.randn(linear.shape, generator=generator(0, "linear layer", *linear.shape))
        linear.data = drawn.to(linear) / linear.shape[1] ** 0.5

    def settle(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].transpose(0, 1).flatten(1)
        norm.running_mean.copy_(values.mean(1))  # type: ignore[operator]
        norm.running_var.copy_(values.var(1, unbiased=False))  # type: ignore[operator]

    norms = [part for part in copied.modules() if isinstance(part, _NormBase) and part.running_mean is not None]
    handles = [norm.register_forward_pre_hook(settle) for norm in norms]
    if norms:
        with torch.no_grad():
            copied(images)
    for handle in handles:
        handle.remove()
    return copied
