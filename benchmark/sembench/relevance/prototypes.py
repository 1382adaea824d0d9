"""Rules that carry relevance from a prototype to the channels of an embedding; each conserves the sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.similarity import distances
from sembench.types import as_points

Rule = Literal["neon", "contrast", "gxi", "prp"]
Explained = Literal["score", "nearest", "mean"]

_PRP_EPSILON = 1e-12
_NEON_EPSILON = 1e-12


def prp(embeddings: Tensor, prototypes: Tensor) -> Tensor:
    """Shares of the channels in the closeness to a prototype, by prototypical relevance propagation.

        share_c = w_c / sum_k w_k,  w_c = 1 / ((z_c - p_c)^4 + 1e-12)

    Args:
        embeddings: ``(B, D)``.
        prototypes: The explained prototype of each row, ``(B, D)``.

    Returns:
        Shares ``(B, D)``, non-negative, summing to 1 per row.

    Examples:
        >>> prp(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])).double().round(decimals=3).tolist()
        [[0.941, 0.059]]

    References:
        [PRP]; the power as in the authors' code.
    """
    weights = 1 / ((embeddings - prototypes).double().pow(4) + _PRP_EPSILON)
    return (weights / weights.sum(1, keepdim=True)).to(embeddings.dtype)


def neon(embeddings: Tensor, prototypes: Tensor, others: Tensor, rivals: Tensor) -> Tensor:
    """Shares of the channels in preferring a prototype over its rivals, by neuralised k-means.

        h_j     = |z - p_j|^2 - |z - p|^2 = sum_c h_jc
        h_jc    = 2 (p_c - p_jc) (z_c - (p_c + p_jc) / 2)
        share_c = sum_j softmax_j(-b h_j) h_jc / h_j,  b = 1 / min_j |h_j|

    ``h_j`` is linear in ``z`` and splits over channels around the midpoint of ``p`` and ``p_j``. The rivals ``j`` are
    pooled by a soft minimum of stiffness ``b``.

    Args:
        embeddings: ``(B, D)``.
        prototypes: The explained prototype of each row, ``(B, D)``.
        others: All prototypes ``(P, D)``.
        rivals: Which of them are rivals, ``(B, P)``, boolean, at least one a row.

    Returns:
        Shares ``(B, D)``, signed, summing to 1 per row.

    Note:
        Rivals are the prototypes of other classes [ours]: the class is what is explained, and copies of the explained
        prototype (as in the control ``collapsed``) would otherwise divide zero by zero.

    Examples:
        >>> z, p, rival = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 1.0]])
        >>> neon(z, p, rival, torch.tensor([[True]])).double().round(decimals=3).tolist()
        [[0.8, 0.2]]

    References:
        [NEON].
    """
    z, p, r = embeddings.double(), prototypes.double(), others.double()
    h = distances(z, r).square() - (z - p).square().sum(1, keepdim=True)
    h = torch.where(h.abs() < _NEON_EPSILON, _NEON_EPSILON, h)
    stiffness = 1 / h.abs().masked_fill(~rivals, torch.inf).amin(1, keepdim=True)
    pooled = (-stiffness * h).masked_fill(~rivals, -torch.inf).softmax(1) / h
    total = pooled.sum(1, keepdim=True) * p * (2 * z - p) - 2 * z * (pooled @ r) + pooled @ r.square()
    return total.to(embeddings.dtype)


def contrast(embeddings: Tensor, prototypes: Tensor, others: Tensor, rivals: Tensor) -> Tensor:
    """Shares of the channels in preferring a prototype over its nearest rival, a score that is linear in the embedding.

        |z - r|^2 - |z - p|^2 = 2 <z, p - r> + const
        share_c = z_c (p_c - r_c) / sum_k z_k (p_k - r_k)

    ``r`` is the rival nearest to ``z``. The constant acts as a bias, which takes no share.

    Args:
        embeddings: ``(B, D)``.
        prototypes: The explained prototype of each row, ``(B, D)``.
        others: All prototypes ``(P, D)``.
        rivals: Which of them are rivals, ``(B, P)``, boolean, at least one a row.

    Returns:
        Shares ``(B, D)``, signed, summing to 1 per row; large where positive and negative parts nearly cancel, even
        where no channel contributes.

    Note:
        The rule is [ours]: the epsilon rule of [LRP] on the difference that decides between two nearest prototypes.

    References:
        [LRP]; rivals as for `neon`.

    Examples:
        >>> z, p, rival = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 0.5]])
        >>> contrast(z, p, rival, torch.tensor([[True]])).tolist()
        [[0.5, 0.5]]
    """
    z, p, all_others = embeddings.double(), prototypes.double(), others.double()
    nearest = distances(z, all_others).masked_fill(~rivals, torch.inf).argmin(1)
    return _shares_or_even(z * (p - all_others[nearest])).to(embeddings.dtype)


def onto_active(shares: Tensor, embeddings: Tensor) -> Tensor:
    """Hands the shares of channels that are off to those that are on, in proportion, so that none is lost [ours].

        active share_c = [z_c != 0] share_c / sum_k [z_k != 0] share_k

    A channel behind a ReLU that is 0 in the average is 0 in every cell: no activation there can carry relevance down,
    and what a rule puts on it would vanish. Measured on the digits, ``prp`` puts .72 of its relevance on such
    channels, because there the image and the prototype agree best. The map's shape does not depend on this, its sum
    does. Under signed shares (``neon``) what is left may sum to less than 0; the signs of the map then turn.

    Args:
        shares: ``(B, D)``, summing to 1 per row.
        embeddings: ``(B, D)``.

    Returns:
        ``(B, D)``, 0 where the embedding is 0, summing to 1 per row; all 0 where every channel is off.

    Examples:
        >>> onto_active(torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.0, 1.0, 2.0]])).tolist()
        [[0.0, 0.5, 0.5]]
    """
    kept = torch.where(embeddings == 0, 0, shares.double())
    return epsilon_shares(kept).to(shares.dtype)


def epsilon_shares(parts: Tensor) -> Tensor:
    """Each part's share of its row's sum: the epsilon rule of relevance propagation for a linear layer.

        share_k = part_k / sum_l part_l

    Args:
        parts: Summands ``(B, K)``.

    Returns:
        ``(B, K)``, of the parts' signs where the sum is positive, summing to 1 per row; 0 where every part is 0.

    Examples:
        >>> epsilon_shares(torch.tensor([[1.0, 3.0]])).tolist()
        [[0.25, 0.75]]

    References:
        [LRP].
    """
    exact = parts.double()
    return (exact / _stabilised(exact)).to(parts.dtype)


def class_shares(weights: Tensor, similarities: Tensor, own: Tensor, explained: Explained) -> Tensor:
    """Shares of a class's prototypes in its relevance, where a linear layer weighs similarities.

        share_j = w_j s_j / sum_k w_k s_k

    This is the rule of `epsilon_shares`, with the sum over the class's own prototypes [ours]: what counts against a
    class is not shown as its explanation.

    Args:
        weights: The layer's weights from each prototype to the image's target class, ``(B, P)``.
        similarities: ``(B, P)``.
        own: Which prototypes are of the target class, ``(B, P)``, boolean, at least one a row.
        explained: ``"score"`` by their part of the class score, ``"nearest"`` all to the most similar one, ``"mean"``
            evenly.

    Returns:
        ``(B, P)``, 0 for other classes' prototypes, rows summing to 1.

    Examples:
        >>> weights, similarities = torch.ones(1, 3), torch.tensor([[1.0, 3.0, 5.0]])
        >>> class_shares(weights, similarities, torch.tensor([[True, True, False]]), "score").tolist()
        [[0.25, 0.75, 0.0]]
    """
    if explained == "mean":
        return own / own.sum(1, keepdim=True)
    if explained == "nearest":
        nearest = similarities.masked_fill(~own, -torch.inf).argmax(1)
        return F.one_hot(nearest, similarities.shape[1]).to(similarities.dtype)
    return epsilon_shares(torch.where(own, weights * similarities, 0.0))


def spread(
    weights: Tensor, points: Tensor, shares: Callable[[Tensor, Tensor], Tensor], rows: Tensor | None = None
) -> Tensor:
    """Carries the relevance of prototypes to the channels of the points that they were compared with.

    Args:
        weights: Relevance of each prototype for each image, ``(B, P)``; where it is 0 nothing is computed.
        points: ``(M, D)``: embeddings of the images, or of their cells.
        shares: From points ``(n, D)`` and prototype indices ``(n,)`` to shares of the channels ``(n, D)``, summing to
            1 per row: `prp`, say.
        rows: For each image and prototype the position of the compared point, ``(B, P)``; by default image ``i`` was
            compared with every prototype as point ``i``.

    Returns:
        Relevance of the points' channels ``(M, D)``, of the same sum as the weights.

    Examples:
        >>> points = torch.tensor([[1.0, 3.0]])
        >>> spread(torch.tensor([[1.0, 3.0]]), points, lambda z, prototypes: z / z.sum(1, keepdim=True)).tolist()
        [[1.0, 3.0]]
    """
    images, prototypes = weights.nonzero(as_tuple=True)
    at = images if rows is None else rows[images, prototypes]
    parts = weights[images, prototypes, None] * shares(points[at], prototypes)
    return torch.zeros_like(points).index_add_(0, at, parts.to(points.dtype))


def onto_cells(features: Tensor, maps: Tensor, weights: Tensor, shares: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Carries the relevance of prototypes to the channels of their most similar cells.

    Args:
        features: ``(B, D, h, w)``.
        maps: How similar each cell is to each prototype, ``(B, P, h, w)``.
        weights: Relevance of each prototype for each image, ``(B, P)``.
        shares: As for `spread`.

    Returns:
        Relevance of the feature map ``(B, D, h, w)``, of the same sum as the weights.

    Examples:
        >>> features, maps = torch.ones(1, 1, 1, 2), torch.tensor([[[[0.0, 5.0]]]])
        >>> onto_cells(features, maps, torch.tensor([[2.0]]), lambda z, prototypes: z).tolist()
        [[[[0.0, 2.0]]]]
    """
    size, channels, height, width = features.shape
    cells = maps.flatten(2).argmax(2)
    rows = torch.arange(size, device=cells.device)[:, None] * (height * width) + cells
    relevance = spread(weights, as_points(features), shares, rows)
    return relevance.view(size, height, width, channels).permute(0, 3, 1, 2)


def _stabilised(parts: Tensor) -> Tensor:
    """Row sums ``(B, 1)`` of float64, kept away from 0 relative to the size of their parts."""
    total = parts.sum(1, keepdim=True)
    floor = 1e-12 * parts.abs().sum(1, keepdim=True).clamp(min=1e-300)
    return torch.where(total.abs() < floor, floor, total)


def _shares_or_even(parts: Tensor) -> Tensor:
    """Shares of the parts in their row's sum ``(B, D)``; even where every part is 0."""
    return epsilon_shares(torch.where((parts == 0).all(1, keepdim=True), 1.0, parts))


def gxi(embeddings: Tensor, prototypes: Tensor, similarity: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Shares of the channels by gradient times input of the similarity.

        share_c = z_c ds/dz_c / sum_k z_k ds/dz_k

    Args:
        embeddings: ``(B, D)``.
        prototypes: The explained prototype of each row, ``(B, D)``.
        similarity: From ``(B, D)`` and ``(B, D)`` to ``(B,)``, row by row.

    Returns:
        Shares ``(B, D)``, signed, summing to 1 per row; large where positive and negative parts nearly cancel, even
        where the gradient vanishes (an image that embeds onto its prototype).

    Examples:
        >>> dot = lambda z, p: (z * p).sum(1)
        >>> gxi(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]]), dot).tolist()
        [[0.25, 0.75]]
    """
    with torch.inference_mode(False), torch.enable_grad():
        z = embeddings.detach().double().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(similarity(z, prototypes.detach().double().clone()).sum(), z)
    return _shares_or_even(gradient * z.detach()).to(embeddings.dtype)
