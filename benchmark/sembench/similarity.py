"""How alike are a point and a prototype? The similarities of the papers, all larger where closer.

==============  =====================================  =================================================
name            formula                                source
==============  =====================================  =================================================
``distance``    ``-d``                                 [K], the similarity of KMEx
``squared``     ``-d^2``                               [K] A.6.1
``exp``         ``exp(-d)``                            [C]
``log``         ``log((d + 1) / (d + 1e-4))``          the authors' code of [K] (d not squared)
``log2``        ``log((d^2 + 1) / (d^2 + 1e-4))``      ProtoPNet; [K] A.6.1
``dot``         ``<z, p>``                             [C], CNN-as-SEM
``cosine``      ``<z, p> / (|z| |p|)``                 [K] A.6.1
``ned``         ``-var(z - p) / (2 (var z + var p))``  normalised Euclidean distance, [K] A.6.1
==============  =====================================  =================================================

``exp`` in float32 is 0 beyond a distance of 104: scores, ghosting and probabilities are then all ties.
``d = |z - p|``. Every function takes ``(..., M, D)`` and ``(..., P, D)`` and returns ``(..., M, P)``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.errors import UnknownName

Similarity = Callable[[Tensor, Tensor], Tensor]

_CELLS = 16_384  # at a time: some 100 MB in float64


def distances(points: Tensor, prototypes: Tensor) -> Tensor:
    """Exact Euclidean distances ``(..., M, P)``.

    `torch.cdist` by default switches to a matrix product above 25 rows and then gives non-zero self-distances; here
    equal vectors are at distance exactly 0.
    """
    return torch.cdist(points, prototypes, compute_mode="donot_use_mm_for_euclid_dist")


def distances_of_cells(cells: Tensor, prototypes: Tensor) -> Tensor:
    """Euclidean distances ``(M, P)`` of very many points: by a matrix product in float64, a bounded part at a time.

    It is some five times quicker than `distances` and as near to the truth as float32 can tell, unless two vectors are
    equal but for 1e-8 of their norm: no distance is exactly 0. Prototypes are compared with each other by `distances`.
    """
    vectors = prototypes.double()
    parts = [
        torch.cdist(part.double(), vectors, compute_mode="use_mm_for_euclid_dist").to(cells.dtype)
        for part in cells.split(_CELLS)
    ]
    return torch.cat(parts)


def log_similarity(distance: Tensor, epsilon: float = 1e-4) -> Tensor:
    """``log((d + 1) / (d + epsilon))``, elementwise and positive, of distances or of squared distances."""
    return torch.log1p((1 - epsilon) / (distance + epsilon))  # the same, and exact where the distance is large


def _ned(points: Tensor, prototypes: Tensor) -> Tensor:
    a, b = (x - x.mean(-1, keepdim=True) for x in (points, prototypes))
    spread = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return -0.5 * distances(a, b).square() / spread.clamp(min=torch.finfo(spread.dtype).tiny)


SIMILARITIES: dict[str, Similarity] = {
    "distance": lambda z, p: -distances(z, p),
    "squared": lambda z, p: -distances(z, p).square(),
    "exp": lambda z, p: (-distances(z, p)).exp(),
    "log": lambda z, p: log_similarity(distances(z, p)),
    "log2": lambda z, p: log_similarity(distances(z, p).square()),
    "dot": lambda z, p: z @ p.transpose(-1, -2),
    "cosine": lambda z, p: F.normalize(z, dim=-1) @ F.normalize(p, dim=-1).transpose(-1, -2),
    "ned": _ned,
}


def similarity(name: str) -> Similarity:
    """The similarity function under a name. Raises `UnknownName`."""
    if name not in SIMILARITIES:
        raise UnknownName("similarity", name, SIMILARITIES)
    return SIMILARITIES[name]


def largest_per_class(similarities: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Similarity of each row's nearest prototype in every class: ``(M, P)`` and ``(P,)`` to ``(M, C)``."""
    scores = similarities.new_full((len(similarities), n_classes), -torch.inf)
    return scores.scatter_reduce(1, classes.expand_as(similarities), similarities, "amax")


def sum_per_class(values: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Sums columns of the same class: ``(M, P)`` and ``(P,)`` to ``(M, C)``."""
    return values @ F.one_hot(classes, n_classes).to(values.dtype)
