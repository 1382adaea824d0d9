"""Layer-wise relevance propagation from a network's output to the pixels, through Zennit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from zennit.composites import EpsilonPlusFlat
from zennit.torchvision import ResNetCanonizer

from sembench.backbones.backbone import Backbone
from sembench.errors import ContractBroken
from sembench.relevance.canonisation import canonise, rules
from sembench.relevance.prototypes import epsilon_shares

Bias = Literal["share", "zero"]
Network = TypeVar("Network", bound=nn.Module)


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

    This holds at every layer, with the contributions ``c_ij`` of input ``i`` to output ``j`` that the layer's rule
    counts. The rules are those of the composite ``EpsilonPlusFlat`` with the ResNet canonizer: batch norm merged,
    residual sums as layers; other architectures are canonised by `sembench.relevance.canonisation`. All of it is put on
    a copy: Zennit 1.0 does not undo its changes to the last bit, and an error halfway must leave no hook behind.

    Args:
        network: The network, in evaluation mode: a backbone, or a whole self-explainable model.
        output: What to start from, as a function of network and images, e.g. ``Backbone.forward`` for logits, or
            ``Backbone.embed``.
        images: Normalised images ``(B, 3, H, W)``.
        relevance: From the output's value to the relevance put on it, of the same shape.
        bias: ``"share"`` (primary, Zennit's default): biases take part of the relevance. ``"zero"``: they take none,
            and the sum over pixels equals the sum put on the output.

    Returns:
        ``(B, H, W)``, signed, summed over colour channels. Costs one forward and one backward pass.

    Raises:
        ContractBroken: If the output does not depend on the images in a way that gradients follow.

    Examples:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()
        >>> pixels = propagate(network, lambda net, x: net(x), torch.ones(1, 3, 2, 2), torch.ones_like, bias="zero")
        >>> pixels.shape, round(pixels.sum().item(), 3)  # all that was put on the two outputs
        (torch.Size([1, 2, 2]), 2.0)

    References:
        [LRP]; [Zennit]; [K] section 4.2.2.
    """
    composite = EpsilonPlusFlat(
        layer_map=rules(), canonizers=[ResNetCanonizer()], zero_params=["bias"] if bias == "zero" else None
    )
    with torch.inference_mode(False), torch.enable_grad():
        copied = copy.deepcopy(network)
        canonise(copied)
        inputs = images.detach().clone().requires_grad_()
        with composite.context(copied):
            value = output(copied, inputs)
            if not value.requires_grad:
                raise ContractBroken(
                    f"no relevance reaches the pixels: {type(network).__name__} computes its output without gradients. "
                    "Take `no_grad` and `detach` out of its forward pass, or ATTRIBUTION out of `supports`."
                )
            start = relevance(value.detach())
            (pixels,) = torch.autograd.grad(value, inputs, grad_outputs=start)
    return pixels.sum(1).detach()


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
