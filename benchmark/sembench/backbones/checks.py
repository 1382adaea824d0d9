"""What a network taken apart has to be: the function that it was, with gradients, in single precision."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone, channels_last
from sembench.backbones.copying import close
from sembench.backbones.segment import lacks_memory, require_gradients
from sembench.backbones.tracing import Trace
from sembench.errors import BackboneUnfit, in_one_line

_TOLERANCE = 1e-5


def require_finite(network: nn.Module, trace: Trace) -> None:
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


def require_same_answer(backbone: Backbone, trace: Trace) -> None:
    """Raises `BackboneUnfit` unless the parts give the logits of the whole, in every way that they will be called.

    That is: images together and one alone, in channels-last order (on a copy), and with gradients to the pixels.
    """
    frozen = copy.deepcopy(backbone).requires_grad_(False)
    one, pixels = trace.probe[1:].clone(), trace.probe.clone().requires_grad_()
    with torch.enable_grad():
        embedding = frozen.embed(pixels)  # a linear layer may hold zeros before it is trained
        places = torch.arange(1.0, embedding[0].numel() + 1, device=embedding.device)  # a plain sum may be constant
        total = (embedding.flatten(1) * places).sum() + 0 * pixels.sum()
        if _gradient(total, pixels, frozen).count_nonzero() == 0:
            raise BackboneUnfit(
                "no gradient leads from the embedding to the pixels: take detach(), .data and no_grad() out of the "
                "forward pass, which else cannot be explained."
            )
    with torch.no_grad():
        together, alone = backbone.embed(trace.probe.clone()), backbone.embed(one)
        if not close(together, embedding) or not close(alone, embedding[1:]):
            raise BackboneUnfit(
                "the embedding of an image is another the second time, or alone than in a batch: it depends on more "
                "than the image, e.g. on random numbers or on statistics of the batch. Take that out."
            )
        ordered, turned = channels_last(frozen), trace.probe.clone(memory_format=torch.channels_last)
        pairs = [(backbone.classifier(z), trace.logits[-len(z) :]) for z in (together, alone, embedding)]
        pairs += [(ordered(turned), trace.logits), (ordered(turned[1:]), trace.logits[1:])]
    for logits, expected in pairs:
        largest = float((logits - expected).abs().max())
        if not largest <= _TOLERANCE * _largest_terms(together, backbone.classifier):
            raise BackboneUnfit(
                f"taken apart, the network gives other logits (by up to {largest:.3g}): its forward pass depends on "
                "more than its input, e.g. on random numbers or on state, or a hook on the network itself changes them."
            )


def _gradient(total: Tensor, pixels: Tensor, backbone: Backbone) -> Tensor:
    """The gradient of a number. Raises `BackboneUnfit` with the step that hinders it."""
    try:
        return torch.autograd.grad(total, pixels)[0]
    except RuntimeError as error:
        if lacks_memory(error):
            raise
        require_gradients([*backbone.blocks, backbone.pool], pixels)
        raise BackboneUnfit(f"no gradient leads from the embedding to the pixels: {in_one_line(error)}.") from error


def require_single_precision(backbone: Backbone, trace: Trace, blocks: Sequence[str]) -> None:
    """Raises `BackboneUnfit` unless feature maps and embedding are of float32, as the weights are."""
    with torch.no_grad():
        maps, embedding = backbone.maps_and_embedding(trace.probe)
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


def require_linear(backbone: Backbone, trace: Trace) -> None:
    """Raises `BackboneUnfit` unless the logits are ``z W^T + b``: a subclass of ``nn.Linear`` may compute more."""
    with torch.no_grad():
        embedding = backbone.embed(trace.probe)
        if embedding.ndim != 2 or embedding.shape[1] != backbone.classifier.in_features:
            raise BackboneUnfit(f"the linear layer takes {tuple(embedding.shape)}; it has to take embeddings (B, D).")
        logits = F.linear(embedding, backbone.classifier.weight, backbone.classifier.bias)
        largest = float((logits - backbone.classifier(embedding)).abs().max())
    if not largest <= _TOLERANCE * _largest_terms(embedding, backbone.classifier):
        raise BackboneUnfit(
            f"the last step, {type(backbone.classifier).__name__}, is no linear layer: its output differs from "
            f"z W^T + b by up to {largest:.3g}. Put what it does to the embedding into a step before it."
        )
