"""Examines the parts of a backbone, wrapped or made by hand: what each gives, and that together they are a function."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone, channels_last
from sembench.backbones.copying import copied, require_stateless
from sembench.backbones.segment import failure, passes
from sembench.backbones.tracing import probe_images
from sembench.errors import BackboneUnfit

_TOLERANCE = 1e-5


def examined_copy(backbone: Backbone, image_size: int, notes: list[str]) -> Backbone:
    """A copy of a backbone in single precision, on the CPU and in the same mode, examined like one that is wrapped.

    Args:
        backbone: Made by hand, or by a factory of a plugin; it does not change.
        image_size: Height and width of the images, pixels.
        notes: Receives a sentence for each thing in which the copy differs.

    Raises:
        BackboneUnfit: If it cannot be used on such images as it is: a part fails, overwrites what it was given, or
            gives something else than a feature map, embedding or logits; or an answer depends on more than the image.
    """
    made = cast(Backbone, copied(backbone, notes)).cpu()
    if not len(made.blocks) or len(made.views) != len(made.blocks):
        raise BackboneUnfit(
            f"it has {len(made.blocks)} blocks and {len(made.views)} views; one block or more, and a view of each, are "
            "needed."
        )
    probe = probe_images(2, image_size)
    with torch.no_grad():  # lazy layers get their weights in the first pass
        logits = by_parts(made, probe)
        channels = made.features(probe).shape[1]
    if made.channels != channels:
        raise BackboneUnfit(
            f"its last feature map has {channels} channels, and it says {made.channels}: Backbone(..., "
            f"channels={channels}). Left out, they are as many as the linear layer takes."
        )
    require_finite(made, logits, image_size)
    require_stateless(made, probe, logits)
    require_same_answer(made, probe, logits)
    return made.train(backbone.training)


def by_parts(backbone: Backbone, images: Tensor) -> Tensor:
    """Logits ``(B, C)``, computed part by part.

    Raises:
        BackboneUnfit: If a part fails, overwrites the images or a value that another part gave, or does not give a
            feature map, an embedding or logits for each image; names it.
    """
    seen = [("the images", images, images.detach().clone())]
    parts = [(f"blocks[{at}]", block) for at, block in enumerate(backbone.blocks)]
    parts += [("the pool", backbone.pool), ("the linear layer", backbone.classifier)]
    for at, (place, part) in enumerate(parts):
        name = f"{place} ({type(part).__name__})"
        value = _told(name, part, seen[-1][1])
        for what, given, before in seen:
            if not torch.equal(torch.nan_to_num(given), torch.nan_to_num(before)):
                raise BackboneUnfit(
                    f"{name} overwrites {what}, which explainers use too. Let it make a new tensor: inplace=False, no "
                    "trailing underscore, x = x + y in place of x += y."
                )
        if at < len(backbone.blocks):
            _require_map(name, _told(f"the view of {name}", backbone.views[at].map, value), images)
        else:
            value = value.flatten(1) if place == "the pool" and isinstance(value, Tensor) else value
            width = backbone.dimension if place == "the pool" else backbone.n_classes
            if not isinstance(value, Tensor) or value.shape != (len(images), width):
                raise BackboneUnfit(f"{name} gives {_shown(value)}; (B, {width}) is needed, a row for each image.")
        seen.append((f"what {place} gives", value, value.detach().clone()))
    return seen[-1][1]


def _told(name: str, part: Callable[[Any], Any], given: Any) -> Any:
    """What a part of a network gives. Raises `BackboneUnfit` with its name where it fails."""
    try:
        return part(given)
    except Exception as error:
        if passes(error):
            raise
        raise BackboneUnfit(failure(f"{name} fails", given, error)) from error


def _require_map(name: str, value: Any, images: Tensor) -> None:
    if not isinstance(value, Tensor) or value.ndim != 4 or len(value) != len(images) or 0 in value.shape:
        raise BackboneUnfit(
            f"{name} gives {_shown(value)}; a feature map (B, D, h, w) is needed. Let it return the map alone; of "
            "tokens, say where the map stands: Backbone(..., views=[View('tokens', height, width), ...])."
        )


def _shown(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


def require_finite(network: nn.Module, logits: Tensor, image_size: int) -> None:
    """Raises `BackboneUnfit` unless the logits are finite; names the weights that are not, if there are any.

    A tensor that is not finite may be intended, e.g. a mask: it is an error only if the logits are not finite either.

    Args:
        network: The network, as its user knows it.
        logits: Its answer to the probe.
        image_size: Height and width of the probe, pixels.
    """
    if bool(torch.isfinite(logits).all()):
        return
    tensors = [*network.named_parameters(), *network.named_buffers()]
    wrong = [name for name, tensor in tensors if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise BackboneUnfit(
            f"the weights hold NaN or infinity, in {len(wrong)} of {len(tensors)} tensors, the first is {wrong[0]!r}. "
            "Take a checkpoint from before the training diverged."
        )
    raise BackboneUnfit(
        f"the logits hold NaN or infinity on images of white noise of {image_size} pixels, though every weight "
        "is finite: look for a division by zero, or an overflow, in the forward pass."
    )


def require_same_answer(backbone: Backbone, probe: Tensor, expected: Tensor) -> None:
    """Raises `BackboneUnfit` unless the parts give the logits of the whole, in every way that they will be called.

    That is: images together and one alone, in channels-last order (on a copy), and with gradients to the pixels.

    Args:
        backbone: The backbone, in evaluation mode.
        probe: Two images or more.
        expected: Logits of the whole for them.
    """
    ordered = channels_last(copy.deepcopy(backbone))
    one, pixels = probe[1:].clone(), probe.clone().requires_grad_()
    with torch.no_grad():
        pairs = [(by_parts(backbone, probe.clone()), expected), (by_parts(backbone, one), expected[1:])]
        turned = probe.clone(memory_format=torch.channels_last)
        pairs += [(by_parts(ordered, turned), expected), (by_parts(ordered, turned[1:]), expected[1:])]
    with torch.enable_grad():
        embedding = backbone.embed(pixels)  # a linear layer may hold zeros before it is trained
        attached = backbone.classifier(embedding)
        places = torch.arange(1.0, embedding[0].numel() + 1, device=embedding.device)  # a plain sum may be constant
        total = (embedding.flatten(1) * places).sum() + 0 * pixels.sum()
        dead = not bool(embedding.any())  # cut off by a last ReLU, as a trained network's may be on noise
        if not dead and torch.autograd.grad(total, pixels)[0].count_nonzero() == 0:
            raise BackboneUnfit(
                "no gradient leads from the embedding to the pixels: take detach(), .data and no_grad() out of the "
                "forward pass, which else cannot be explained."
            )
    for logits, wanted in [*pairs, (attached, expected)]:
        largest = float((logits.detach() - wanted).abs().max())
        if not largest <= _TOLERANCE * max(1.0, float(expected.abs().max())):
            raise BackboneUnfit(
                f"taken apart, the network gives other logits (by up to {largest:.3g}): its forward pass depends on "
                "more than its input, e.g. on random numbers or on state, or a hook on the network itself changes them."
            )
