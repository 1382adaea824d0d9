"""Images that lose pixels in the order of a relevance map: masks, curves and the areas under them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def mask(images: Tensor, relevance: Tensor, black: Tensor) -> Tensor:
    """Images whose pixels are dimmed towards black by the weights of their relevance map.

        masked(x) = black + |r(x)| / max_y |r(y)| * (image(x) - black)

    Negative relevance counts by its size, and a map of zeros leaves black [both ours]. Costs no forward pass.

    Args:
        images: Normalised images ``(N, ch, H, W)``.
        relevance: ``(N, H, W)``, any sign.
        black: What a black pixel is after normalisation, broadcast to the images.

    Returns:
        ``(N, ch, H, W)``, of the images' type.

    Raises:
        ValueError: If shapes do not fit, or relevance is not finite.

    Examples:
        >>> mask(torch.full((1, 1, 1, 2), 4.0), torch.tensor([[[-1.0, 2.0]]]), torch.tensor(0.0)).tolist()
        [[[[2.0, 4.0]]]]

    References:
        [Grad-CAM++] section 4.1.
    """
    _require_maps(images, relevance)
    sizes = relevance.abs()
    largest = sizes.amax((1, 2), keepdim=True)
    weights = torch.where(largest > 0, sizes / largest, 0.0)[:, None].to(images.dtype)
    return black + weights * (images - black)


def relevance_order_curve(
    predict: Callable[[Tensor], Tensor], images: Tensor, relevance: Tensor, noise: Tensor, *, steps: int = 32,
    targets: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Probability of the decided class while pixels give way to noise, the least relevant first.

        curve(s) = P(c | image whose round(s H W / steps) least relevant pixels are noise),  s = 0, ..., steps

    Pixels are ordered by ``|r|``, ties by pixel index [ours], and lose all channels at once. Point 0 is the clean
    image, the last one is pure noise. ``c`` is the class that targets name, the decided one; without targets, the most
    probable class of the clean image.

    Args:
        predict: Probabilities ``(N, C)`` of images ``(N, ch, H, W)``.
        images: Clean images ``(N, ch, H, W)``, as ``predict`` takes them.
        relevance: ``(N, H, W)``.
        noise: What pixels are replaced by, ``(N, ch, H, W)``.
        steps: Number of equal fractions; [K] does not say how many, 32 is [ours].
        targets: Classes to follow ``(N,)``.

    Returns:
        ``(N, steps + 1)``, probabilities in [0, 1]. Costs ``steps + 1`` forward passes of the batch.

    Raises:
        ValueError: If shapes do not fit, ``steps`` is below 1, or relevance is not finite.

    Examples:
        >>> predict = lambda images: torch.stack([images[:, 0, 0, 0], 1 - images[:, 0, 0, 0]], 1)  # by one pixel
        >>> image, noise = torch.ones(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)
        >>> relevance_order_curve(predict, image, torch.tensor([[[4.0, 1.0, 2.0, 3.0]]]), noise, steps=4).tolist()
        [[1.0, 1.0, 1.0, 1.0, 0.0]]

    References:
        [K] section 4.2.2 and Fig. 3.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least 1 is needed.")
    if noise.shape != images.shape:
        raise ValueError(f"noise {tuple(noise.shape)} must have the images' shape {tuple(images.shape)}.")
    _require_maps(images, relevance)
    pixels = images.shape[2] * images.shape[3]
    rank = ranks(relevance)
    clean = predict(images)
    target = (clean.argmax(1) if targets is None else targets)[:, None]
    curve = [clean.gather(1, target)]
    for step in range(1, steps + 1):
        replaced = (rank < round(step * pixels / steps))[:, None]
        curve.append(predict(torch.where(replaced, noise, images)).gather(1, target))
    return torch.cat(curve, 1)


def _require_maps(images: Tensor, relevance: Tensor) -> None:
    if images.ndim != 4 or relevance.shape != (len(images), *images.shape[2:]):
        raise ValueError(
            f"images {tuple(images.shape)} must be (N, ch, H, W), relevance {tuple(relevance.shape)} (N, H, W) of the "
            "same size."
        )
    if not bool(torch.isfinite(relevance).all()):
        raise ValueError("relevance holds NaN or infinite values; every pixel must be finite.")


def ranks(relevance: Tensor) -> Tensor:
    """Position of every pixel when sorted by ``|r|``, ties by index: ``(N, H, W)``, int64.

    Examples:
        >>> ranks(torch.tensor([[[3.0, -1.0, 1.0]]])).tolist()
        [[[2, 0, 1]]]
    """
    order = relevance.flatten(1).abs().sort(dim=1, stable=True).indices
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions).view_as(relevance)


def area_under_curve(curve: Tensor) -> Tensor:
    """Area under each curve over [0, 1] by the trapezoid rule, points equally spaced.

        area = sum_s (curve(s - 1) + curve(s)) / (2 (S - 1)),  s = 1, ..., S - 1

    Costs no forward pass.

    Args:
        curve: ``(N, S)`` with at least two points.

    Returns:
        ``(N,)``, float64; for a curve of probabilities in [0, 1], 1 best and 0 worst. Chance is the area under the
        curve of the same images whose pixels are replaced in random order.

    Raises:
        ValueError: If there are fewer than two points.

    Examples:
        >>> area_under_curve(torch.tensor([[1.0, 1.0, 0.0]])).tolist()
        [0.75]

    References:
        [K] section 4.2.2 and Table 4.
    """
    if curve.ndim != 2 or curve.shape[1] < 2:
        raise ValueError(f"curve {tuple(curve.shape)} must be (N, S) with S of at least 2.")
    return torch.trapezoid(curve.double(), dx=1 / (curve.shape[1] - 1), dim=1)
