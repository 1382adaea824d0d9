"""What a backbone has to be, wrapped or made by hand: a function of one image, in parts that overwrite nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone, channels_last
from sembench.backbones.copying import close, copied, require_stateless
from sembench.backbones.segment import failure, lacks_memory, require_gradients
from sembench.backbones.tracing import probe_images
from sembench.errors import BackboneUnfit, SembenchError, in_one_line

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
        _, logits = by_parts(made, probe)
        channels = made.features(probe).shape[1]
    if made.channels != channels:
        raise BackboneUnfit(
            f"its last feature map has {channels} channels, and it says {made.channels}: Backbone(..., "
            f"channels={channels}). Left out, they are as many as the linear layer takes."
        )
    require_finite(made, logits, image_size)
    require_stateless(made, probe, logits)
    require_same_answer(made, probe, logits)
    require_single_precision(made, probe, [f"blocks[{at}]" for at in range(len(made.blocks))])
    return made.train(backbone.training)


def by_parts(backbone: Backbone, images: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings ``(B, D)`` and logits ``(B, C)``, computed part by part.

    Raises:
        BackboneUnfit: If a part fails, overwrites the images or a value that another part gave, or does not give a
            feature map, an embedding or logits for each image; names it.
    """
    seen = [("the images", images, images.detach().clone())]

    def overwriting_nothing(name: str, part: nn.Module) -> Any:
        value = _told(name, part, seen[-1][1])
        for what, given, before in seen:
            if not torch.equal(torch.nan_to_num(given), torch.nan_to_num(before)):
                raise BackboneUnfit(
                    f"{name} overwrites {what}, which explainers use too. Let it make a new tensor: inplace=False, no "
                    "trailing underscore, x = x + y in place of x += y."
                )
        return value

    def keep(name: str, value: Tensor) -> None:
        seen.append((f"what {name} gives", value, value.detach().clone()))

    *blocks, (pool, _), (head, _) = _parts(backbone)
    for (name, block), view in zip(blocks, backbone.views, strict=True):
        value = overwriting_nothing(name, block)
        _require_map(name, _told(f"the view of {name}", view.map, value), images)
        keep(name, value)
    value = overwriting_nothing(pool, backbone.pool)
    embedding = value.flatten(1) if isinstance(value, Tensor) and value.ndim else value
    _require_rows(pool, embedding, len(images), backbone.dimension)
    keep(pool, embedding)
    logits = overwriting_nothing(head, backbone.classifier)
    _require_rows(head, logits, len(images), backbone.n_classes)
    return embedding, logits


def _parts(backbone: Backbone) -> list[tuple[str, nn.Module]]:
    """All parts in order, with what they are called in messages."""
    parts = [(f"blocks[{at}]", block) for at, block in enumerate(backbone.blocks)]
    parts += [("the pool", backbone.pool), ("the linear layer", backbone.classifier)]
    return [(f"{name} ({type(part).__name__})", part) for name, part in parts]


def _told(name: str, part: Callable[[Any], Any], given: Any) -> Any:
    """What a part of a network gives. Raises `BackboneUnfit` with its name where it fails."""
    try:
        return part(given)
    except SembenchError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        raise BackboneUnfit(failure(f"{name} fails", given, error)) from error


def _require_rows(name: str, value: Any, count: int, width: int) -> None:
    if not isinstance(value, Tensor) or value.shape != (count, width):
        raise BackboneUnfit(f"{name} gives {_shown(value)}; (B, {width}) is needed, a row for each image.")


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
    frozen = copy.deepcopy(backbone).requires_grad_(False)
    one, pixels = probe[1:].clone(), probe.clone().requires_grad_()
    with torch.enable_grad():
        embedding, attached = by_parts(frozen, pixels)
        places = torch.arange(1.0, embedding[0].numel() + 1, device=embedding.device)  # a plain sum may be constant
        total = (embedding * places).sum() + 0 * pixels.sum()  # a linear layer may hold zeros before it is trained
        dead = not bool(embedding.any())  # cut off by a last ReLU, as a trained network's may be on noise
        if not dead and _gradient(total, pixels, frozen).count_nonzero() == 0:
            raise BackboneUnfit(
                "no gradient leads from the embedding to the pixels: take detach(), .data and no_grad() out of the "
                "forward pass, which else cannot be explained."
            )
    with torch.no_grad():
        together, alone = by_parts(backbone, probe.clone()), by_parts(backbone, one)
        if not close(together[0], embedding) or not close(alone[0], embedding[1:]):
            raise BackboneUnfit(
                "the embedding of an image is another the second time, or alone than in a batch: it depends on more "
                "than the image, e.g. on random numbers or on statistics of the batch. Take that out."
            )
        ordered, turned = channels_last(frozen), probe.clone(memory_format=torch.channels_last)
        again = [together, alone, by_parts(ordered, turned), by_parts(ordered, turned[1:])]
        size = max(_largest_terms(together[0], backbone.classifier), float(expected.abs().max()))
    for found in [attached.detach(), *(logits for _, logits in again)]:
        largest = float((found - expected[-len(found) :]).abs().max())
        if not largest <= _TOLERANCE * size:
            raise BackboneUnfit(
                f"taken apart, the network gives other logits (by up to {largest:.3g}): its forward pass depends on "
                "more than its input, e.g. on random numbers, on state or on autocast, or a hook on the network itself "
                "changes them."
            )


def _gradient(total: Tensor, pixels: Tensor, backbone: Backbone) -> Tensor:
    """The gradient of a number. Raises `BackboneUnfit` with the step that hinders it."""
    try:
        return torch.autograd.grad(total, pixels)[0]
    except RuntimeError as error:
        if lacks_memory(error):
            raise
        require_gradients(_parts(backbone)[:-1], pixels)
        raise BackboneUnfit(f"no gradient leads from the embedding to the pixels: {in_one_line(error)}.") from error


def require_single_precision(backbone: Backbone, probe: Tensor, blocks: Sequence[str]) -> None:
    """Raises `BackboneUnfit` unless feature maps and embedding are of float32, as the weights are."""
    with torch.no_grad():
        maps, embedding = backbone.maps_and_embedding(probe)
    names = [*(f"the feature map of {block!r}" for block in blocks), "the embedding"]
    for name, value in zip(names, [*maps, embedding], strict=True):
        if value.dtype != torch.float32:
            raise BackboneUnfit(
                f"{name} is of {value.dtype}; explanations are computed in float32. Leave .double(), .half() and "
                "autocast out of the forward pass, or put .float() behind them, within the same block."
            )


def _largest_terms(embedding: Tensor, classifier: nn.Linear) -> float:
    """The size of the terms that logits are the sum of, which rounding errors are a share of."""
    weight, bias = classifier.weight.detach().abs(), classifier.bias
    return float(F.linear(embedding.abs(), weight, None if bias is None else bias.detach().abs()).max())


def require_linear(backbone: Backbone, probe: Tensor) -> None:
    """Raises `BackboneUnfit` unless the logits are ``z W^T + b``: a subclass of ``nn.Linear`` may compute more."""
    with torch.no_grad():
        embedding = backbone.embed(probe)
        if embedding.ndim != 2 or embedding.shape[1] != backbone.classifier.in_features:
            raise BackboneUnfit(f"the linear layer takes {tuple(embedding.shape)}; it has to take embeddings (B, D).")
        logits = F.linear(embedding, backbone.classifier.weight, backbone.classifier.bias)
        largest = float((logits - backbone.classifier(embedding)).abs().max())
    if not largest <= _TOLERANCE * _largest_terms(embedding, backbone.classifier):
        raise BackboneUnfit(
            f"the last step, {type(backbone.classifier).__name__}, is no linear layer: its output differs from "
            f"z W^T + b by up to {largest:.3g}. Put what it does to the embedding into a step before it."
        )
