"""Images that lose pixels in the order of a relevance map: masks, curves, areas under them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def mask(images: Tensor, relevance: Tensor, black: Tensor) -> Tensor:
    """Images whose pixels are dimmed towards black by ``|r| / max |r|`` of their map; a map of zeros leaves black.

    Args:
        images: Normalised images ``(N, ch, H, W)``.
        relevance: ``(N, H, W)``, any sign.
        black: What a black pixel is after normalisation, broadcast to the images.

    Raises:
        ValueError: If shapes do not fit, or relevance is not finite.
    """
    if images.ndim != 4 or relevance.shape != (len(images), *images.shape[2:]):
        raise ValueError(
            f"images {tuple(images.shape)} must be (N, ch, H, W), relevance {tuple(relevance.shape)} (N, H, W)."
        )
    if not bool(torch.isfinite(relevance).all()):
        raise ValueError("relevance holds NaN or infinite values; every pixel needs a weight.")
    sizes = relevance.abs()
    largest = sizes.amax((1, 2), keepdim=True)
    weights = torch.where(largest > 0, sizes / largest, 0.0)[:, None].to(images.dtype)
    return black + weights * (images - black)


def relevance_order_curve(
    predict: Callable[[Tensor], Tensor], images: Tensor, relevance: Tensor, noise: Tensor, *, steps: int = 32,
    targets: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """How does the decision fade while pixels give way to noise, the least relevant first?

    Pixels are ordered by ``|r|``, ties by pixel index. Point ``s`` replaces ``round(s * H * W / steps)`` of them, all
    channels at once; point 0 is the clean image, the last one is pure noise. The curve is the probability of the class
    predicted on the clean image: the most probable one, unless targets are given.

    Args:
        predict: Probabilities ``(N, C)`` of images ``(N, ch, H, W)``.
        images: Clean images ``(N, ch, H, W)``, as ``predict`` takes them.
        relevance: ``(N, H, W)``.
        noise: What pixels are replaced by, ``(N, ch, H, W)``.
        steps: Number of equal fractions.
        targets: Classes to follow instead ``(N,)``.

    Returns:
        ``(N, steps + 1)``, probabilities. Costs ``steps + 1`` forward passes of the batch.

    Raises:
        ValueError: If shapes do not fit, ``steps`` is below 1, or relevance is not finite.

    References:
        [K] section 4.3 and Fig. 3.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least 1 is needed.")
    if images.ndim != 4 or noise.shape != images.shape or relevance.shape != (len(images), *images.shape[2:]):
        raise ValueError(
            f"images {tuple(images.shape)} and noise {tuple(noise.shape)} must be (N, ch, H, W), relevance "
            f"{tuple(relevance.shape)} (N, H, W) of the same size."
        )
    if not bool(torch.isfinite(relevance).all()):
        raise ValueError("relevance holds NaN or infinite values; every pixel needs a rank.")
    pixels = images.shape[2] * images.shape[3]
    rank = _ranks(relevance)
    clean = predict(images)
    target = (clean.argmax(1) if targets is None else targets)[:, None]
    curve = [clean.gather(1, target)]
    for step in range(1, steps + 1):
        replaced = (rank < round(step * pixels / steps))[:, None]
        curve.append(predict(torch.where(replaced, noise, images)).gather(1, target))
    return torch.cat(curve, 1)


def _ranks(relevance: Tensor) -> Tensor:
    """Position of every pixel when sorted by ``|r|``, ties by index: ``(N, H, W)``, int64."""
    order = relevance.flatten(1).abs().sort(dim=1, stable=True).indices
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions).view_as(relevance)


def area_under_curve(curve: Tensor) -> Tensor:
    """Area under each curve over [0, 1] by the trapezoid rule, points equally spaced.

    Args:
        curve: ``(N, S)`` with at least two points.

    Returns:
        ``(N,)``, float64; in [0, 1] for a curve of probabilities.

    Raises:
        ValueError: If there are fewer than two points.
    """
    if curve.ndim != 2 or curve.shape[1] < 2:
        raise ValueError(f"curve {tuple(curve.shape)} must be (N, S) with S of at least 2.")
    return torch.trapezoid(curve.double(), dx=1 / (curve.shape[1] - 1), dim=1)
