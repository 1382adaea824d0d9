"""The similarities of the papers between a point and a prototype, all larger where closer.

    name        formula, with d = |z - p|            source
    distance    -d                                   [K], the similarity of KMEx
    squared     -d^2                                 [K] A.6.1 [ours: symbol lost]
    l1          -sum_c |z_c - p_c|                   [K] A.6.1 [ours: symbol lost]
    exp         exp(-d)                              [C]
    log         log((d + 1) / (d + 1e-4))            the authors' code of [K] (d not squared)
    log2        log((d^2 + 1) / (d^2 + 1e-4))        [ProtoPNet]; [K] A.6.1
    dot         <z, p>                               [C], CNN-as-SEM; [K] A.6.1
    cosine      <z, p> / (|z| |p|)                   [K] A.6.1
    ned         -var(z - p) / (2 (var z + var p))    normalised Euclidean distance, [K] A.6.1

[K] A.6.1 compares seven measures: three of distances, whose symbols are lost in the text at hand, that of ProtoPNet,
the dot product, the cosine, and the normalised Euclidean distance. It says of measures of the distance alone that some
have an "infinite asymptote" while the others converge: here ``distance``, ``squared`` and ``l1`` fall without bound.

``exp`` in float32 is 0 beyond a distance of 104: scores, ghosting and probabilities are then all ties.
Every function takes ``(..., M, D)`` and ``(..., P, D)`` and returns ``(..., M, P)``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.errors import UnknownName
from sembench.types import as_points

Similarity = Callable[[Tensor, Tensor], Tensor]

_CELLS = 16_384  # at a time: some 100 MB in float64


def distances(points: Tensor, prototypes: Tensor) -> Tensor:
    """Exact Euclidean distances.

        d_ij = |z_i - p_j|

    `torch.cdist` by default switches to a matrix product above 25 rows and then gives non-zero self-distances; here
    equal vectors are at distance exactly 0.

    Args:
        points: ``(..., M, D)``.
        prototypes: ``(..., P, D)``.

    Returns:
        ``(..., M, P)``, in [0, inf).

    Examples:
        >>> distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[5.0, 0.0]]
    """
    return torch.cdist(points, prototypes, compute_mode="donot_use_mm_for_euclid_dist")


def log_similarity(distance: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Logarithmic similarity of distances or of squared distances, elementwise.

        s = log((d + 1) / (d + epsilon))

    Args:
        distance: Any shape, at least 0.
        epsilon: Keeps the similarity of equal vectors finite, at ``-log(epsilon)``.

    Returns:
        The same shape, positive.

    Examples:
        >>> log_similarity(torch.tensor([0.0, 1.0], dtype=torch.float64)).round(decimals=2).tolist()
        [9.21, 0.69]

    References:
        [ProtoPNet], of squared distances.
    """
    return torch.log1p((1 - epsilon) / (distance + epsilon))  # the same, and exact where the distance is large


def _ned(points: Tensor, prototypes: Tensor) -> Tensor:
    a, b = (x - x.mean(-1, keepdim=True) for x in (points, prototypes))
    spread = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return -0.5 * distances(a, b).square() / spread.clamp(min=torch.finfo(spread.dtype).tiny)


_OF_DISTANCE: dict[str, Callable[[Tensor], Tensor]] = {
    "distance": torch.neg,
    "squared": lambda d: -d.square(),
    "exp": lambda d: (-d).exp(),
    "log": log_similarity,
    "log2": lambda d: log_similarity(d.square()),
}


def _by_distance(function: Callable[[Tensor], Tensor]) -> Similarity:
    return lambda z, p: function(distances(z, p))


SIMILARITIES: dict[str, Similarity] = {
    **{name: _by_distance(function) for name, function in _OF_DISTANCE.items()},
    "l1": lambda z, p: -torch.cdist(z, p, p=1),
    "dot": lambda z, p: z @ p.transpose(-1, -2),
    "cosine": lambda z, p: F.normalize(z, dim=-1) @ F.normalize(p, dim=-1).transpose(-1, -2),
    "ned": _ned,
}


def similarity(name: str) -> Similarity:
    """The similarity function under a name.

    Raises:
        UnknownName: If it is none of `SIMILARITIES`.

    Examples:
        >>> similarity("exp")(torch.tensor([[0.0]]), torch.tensor([[0.0], [1000.0]])).tolist()
        [[1.0, 0.0]]
    """
    if name not in SIMILARITIES:
        raise UnknownName("similarity", name, SIMILARITIES)
    return SIMILARITIES[name]


def similarity_maps(features: Tensor, prototypes: Tensor, name: str = "distance") -> Tensor:
    """Similarities of very many cells to prototypes, computed in float64, a bounded part at a time.

    Euclidean distances are taken by a matrix product: some five times quicker than `distances` and as near to the
    truth as float32 can tell, unless two vectors are equal but for 1e-8 of their norm: no distance is exactly 0.
    Prototypes are compared with each other by `similarity`.

    Args:
        features: Feature maps ``(B, D, h, w)``.
        prototypes: ``(P, D)``.
        name: One of `SIMILARITIES`.

    Returns:
        ``(B, P, h, w)``, of the features' type.

    Raises:
        UnknownName: If there is no such similarity.

    Examples:
        >>> features = torch.tensor([[[[3.0, 0.0]], [[4.0, 1.0]]]])
        >>> similarity_maps(features, torch.tensor([[0.0, 0.0]])).tolist()
        [[[[-5.0, -1.0]]]]
    """
    size, _, height, width = features.shape
    vectors, plain = prototypes.double(), similarity(name)

    def compared(cells: Tensor) -> Tensor:
        if name in _OF_DISTANCE:
            return _OF_DISTANCE[name](torch.cdist(cells, vectors, compute_mode="use_mm_for_euclid_dist"))
        return plain(cells, vectors)

    cells = as_points(features)
    several = (cells,) if torch.compiler.is_compiling() else cells.split(_CELLS)  # an exported program knows no number
    parts = [compared(part.double()).to(features.dtype) for part in several]
    return torch.cat(parts).view(size, height, width, -1).permute(0, 3, 1, 2)


def largest_per_class(similarities: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Similarity of each row's nearest prototype in every class.

    Args:
        similarities: ``(M, P)``.
        classes: Class of each prototype ``(P,)``.
        n_classes: ``C``.

    Returns:
        ``(M, C)``, minus infinity for a class without prototypes.

    Examples:
        >>> largest_per_class(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0, 0, 1]), 2).tolist()
        [[3.0, 2.0]]
    """
    scores = similarities.new_full((similarities.shape[0], n_classes), -torch.inf)
    return scores.scatter_reduce(1, classes.expand_as(similarities), similarities, "amax")


def sum_per_class(values: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Sums of the columns of the same class.

    Args:
        values: ``(M, P)``.
        classes: Class of each column ``(P,)``.
        n_classes: ``C``.

    Returns:
        ``(M, C)``.

    Examples:
        >>> sum_per_class(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0, 0, 1]), 2).tolist()
        [[4.0, 2.0]]
    """
    return values @ F.one_hot(classes, n_classes).to(values.dtype)
