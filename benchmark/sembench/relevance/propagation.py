"""Layer-wise relevance propagation from a network's output to the pixels, through Zennit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone
from sembench.errors import ContractBroken, RelevanceUndefined
from sembench.relevance.canonisation import Bias as Bias
from sembench.relevance.canonisation import Canonical, canonise
from sembench.relevance.fallback import LRP, attribute, declared
from sembench.relevance.prototypes import epsilon_shares
from sembench.relevance.recording import record

Network = TypeVar("Network", bound=nn.Module)
_AGREEMENT = 1e-3


def propagate(
    network: Network,
    output: Callable[[Network, Tensor], Tensor],
    images: Tensor,
    relevance: Callable[[Tensor], Tensor],
    *,
    bias: Bias = "share",
) -> Tensor:
    """Carries relevance from an output of a network down to the pixels.

        R_i = sum_j c_ij R_j / sum_k c_kj

    This holds at every step, with the contributions ``c_ij`` of input ``i`` to output ``j`` that the step's rule
    counts. The rules are those of [Zennit]'s composite ``EpsilonPlusFlat`` with batch norm merged and residual sums as
    layers, and those of `sembench.relevance.canonisation` for other steps. They are given to what the network computes
    on these images, not to its modules: two networks that compute the same in the same steps have the same map,
    however they are written. The network itself is not changed.

    Where the network's backbone declares another ``attribution`` than ``"lrp"``, the map is made that way, see
    `sembench.relevance.fallback.attribute`.

    Args:
        network: The network, in evaluation mode: a backbone, or a whole self-explainable model.
        output: What to start from, as a function of network and images, e.g. ``Backbone.forward`` for logits, or
            ``Backbone.embed``.
        images: Normalised images ``(B, 3, H, W)``.
        relevance: From the output's value to the relevance put on it, of the same shape.
        bias: ``"share"`` (primary, Zennit's default): biases take part of the relevance. ``"zero"``: they take none,
            and the sum over pixels equals the sum put on the output; in a network that divides by statistics of the
            image constants take their part all the same.

    Returns:
        ``(B, H, W)``, signed, summed over colour channels. Costs two forward passes, one of which records what is
        computed, and one backward pass.

    Raises:
        RelevanceUndefined: If a step of the network has no rule; names it.
        ContractBroken: If the output does not depend on the images.

    Examples:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()
        >>> pixels = propagate(network, lambda net, x: net(x), torch.ones(1, 3, 2, 2), torch.ones_like, bias="zero")
        >>> pixels.shape, round(pixels.sum().item(), 3)  # all that was put on the two outputs
        (torch.Size([1, 2, 2]), 2.0)

    References:
        [LRP]; [Zennit]; [K] section 4.2.2.
    """
    kind = declared(network)
    if kind != LRP:
        return attribute(kind, network, output, images, relevance)
    return shares(network, output, images, relevance, bias=bias)[0]


def shares(
    network: Network,
    output: Callable[[Network, Tensor], Tensor],
    images: Tensor,
    relevance: Callable[[Tensor], Tensor],
    *,
    bias: Bias = "share",
) -> tuple[Tensor, float]:
    """Relevance as by `propagate`, and the sum that constants took over all images.

    Constants are the biases, tokens and embeddings of a network that divides by statistics of the image; elsewhere they
    take none under ``bias="zero"``, and what they take under ``"share"`` is not counted.

    Examples:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.LayerNorm(4), nn.Linear(4, 2)).eval()
        >>> image = torch.linspace(0, 1, 12).view(1, 3, 2, 2)
        >>> pixels, constants = shares(network, lambda net, x: net(x), image, torch.ones_like)
        >>> round(float(pixels.sum()) + constants, 3)  # all that was put on the two outputs
        2.0
    """
    with torch.inference_mode(False), torch.enable_grad():
        canonical, inputs, value = _passed(network, output, images, bias)
        start = relevance(value.detach())
        if start.shape != value.shape:
            raise ContractBroken(f"relevance {tuple(start.shape)} must have the output's shape {tuple(value.shape)}.")
        pixels, *constants = canonical.back(value, inputs, start)
        canonical.forget()
    return pixels.sum(1).detach(), sum(float(part.sum()) for part in constants)


_FORMS: WeakKeyDictionary[nn.Module, dict[object, Canonical]] = WeakKeyDictionary()
_KEPT = 2  # canonical forms of a network, each with weights of its own


def _passed(
    network: Network, output: Callable[[Network, Tensor], Tensor], images: Tensor, bias: Bias
) -> tuple[Canonical, Tensor, Tensor]:
    """The canonical form of a network for images of this shape, with the images and the output of its pass.

    Recording takes longer than a pass of a small network, so the last forms are kept as long as no weight changes. The
    pass of a form is held against the network's own; where a kept one differs it is recorded again. Weights are known
    by their sums, too, since no counter sees an edit of ``weight.data``, and a network may give the same after one.

    Raises:
        RelevanceUndefined: If a new form differs, too.
    """
    closed = getattr(output, "__closure__", None) or not hasattr(output, "__code__")
    tensors = [*network.parameters(), *network.buffers()]
    lasting = not closed and not any(tensor.is_inference() for tensor in tensors)
    forms = _FORMS.setdefault(network, {}) if lasting else {}
    key: object = None
    if lasting:
        weights = tuple((id(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors)
        key = output.__code__, images.shape, images.dtype, images.device, bias, weights, _sums(tensors)
    inputs = images.detach().clone().requires_grad_()
    if key in forms:
        with torch.no_grad():
            expected = output(network, images).detach()
        value = forms[key](inputs)
        if _agree(value, expected, least=0.0):
            return forms[key], inputs, value
        del forms[key]
    recording = record(lambda x: output(network, x), images)
    form = forms[key] = canonise(recording, bias)
    while len(forms) > _KEPT:
        del forms[next(iter(forms))]
    value = form(inputs)
    if not _agree(value, recording.value, least=1.0):
        raise RelevanceUndefined(
            "its forward pass depends on more than the image, e.g. on random numbers, or magnifies rounding errors: "
            f"run twice it differs by up to {float((value.detach() - recording.value).abs().max()):.3g} of "
            f"{float(recording.value.abs().max()):.3g}"
        )
    return form, inputs, value


def _sums(tensors: list[Tensor]) -> tuple[float, ...]:
    """Two sums of each tensor: one that sees its signs, and one that sees its size."""
    with torch.no_grad():
        parts = [part for t in tensors for part in (t.float().sum(), torch.linalg.vector_norm(t.float()))]
        return tuple(torch.stack(parts).tolist()) if parts else ()


def _agree(value: Tensor, expected: Tensor, least: float) -> bool:
    """Whether a canonical form computes what the network does, of outputs that may be small beside their terms.

    Args:
        value: The form's output.
        expected: The network's.
        least: Outputs smaller than this one are held against it; 0 where a form that is doubted is recorded again.
    """
    value, expected = value.detach(), expected.detach()
    return float((value - expected).abs().max()) <= _AGREEMENT * max(least, float(expected.abs().max()))


def black_box_relevance(
    backbone: Backbone, images: Tensor, targets: Tensor | None = None, *, bias: Bias = "share"
) -> Tensor:
    """The black box's relevance map: the target class's probability, put on its logit and propagated.

        R_k = softmax_k(logits) if k is the target, else 0

    Args:
        backbone: The network.
        images: Normalised images ``(B, 3, H, W)``.
        targets: Classes ``(B,)``; by default the predicted ones.
        bias: See `propagate`.

    Returns:
        ``(B, H, W)``, signed. Costs one forward and one backward pass.

    Note:
        [K] speaks of maps "for the prediction probabilities"; that the probability is put on the logit is [ours].

    Examples:
        >>> from sembench.backbones.resnet import resnet10_narrow
        >>> black_box_relevance(resnet10_narrow(5).eval(), torch.zeros(2, 3, 33, 33)).shape
        torch.Size([2, 33, 33])

    References:
        [K] sections 4.2.2 and 4.3.2.
    """

    def seed(logits: Tensor) -> Tensor:
        chosen = logits.argmax(1) if targets is None else targets
        start = torch.zeros_like(logits)
        return start.scatter_(1, chosen[:, None], logits.softmax(1).gather(1, chosen[:, None]))

    return propagate(backbone, Backbone.forward, images, seed, bias=bias)


def headless_relevance(backbone: Backbone, images: Tensor, *, bias: Bias = "share") -> Tensor:
    """The network's relevance map without any head: relevance on the embedding as it is, whatever the class.

        R_c = z_c / sum_k z_k

    It says what a map shows because of the encoder alone. Where LRP-KL of this map is as small as an explainer's, the
    explainer's small LRP-KL says that it shares the encoder, not that its prototypes explain.

    Args:
        backbone: The network.
        images: Normalised images ``(B, 3, H, W)``.
        bias: See `propagate`.

    Returns:
        ``(B, H, W)``, signed. Costs one forward and one backward pass.

    Note:
        The level is [ours].

    Examples:
        >>> from sembench.backbones.resnet import resnet10_narrow
        >>> headless_relevance(resnet10_narrow(5).eval(), torch.zeros(2, 3, 33, 33)).shape
        torch.Size([2, 33, 33])
    """
    return propagate(backbone, Backbone.embed, images, epsilon_shares, bias=bias)
