"""Similarities of images to prototypes of their class, before and after half of the pixels give way to noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sembench.evaluation.maps import own_prototypes
from sembench.evaluation.perturbation import ranks
from sembench.explainers.explainer import SelfExplainableModel
from sembench.types import check_finite, check_shape


class Similarities(NamedTuple):
    """Similarity of ``K`` pairs of an image and a prototype of its class, ``(K,)`` each.

    ``clean`` is that of the image, ``noised`` that of the image half of which is noise, ``rows`` the image's position.
    """

    clean: Tensor
    noised: Tensor
    rows: Tensor


def noised_similarities(
    model: SelfExplainableModel, images: Tensor, labels: Tensor, noise: Tensor, *, batch_size: int, name: str
) -> Similarities:
    """Similarity to every prototype of the true class, and after the pixels that matter least to it became noise.

    For each image and each prototype of its true class, ``round(H W / 2)`` pixels that the prototype's map gives the
    least relevance, by size, ties by pixel index, are replaced by noise, all channels at once. That these are the least
    relevant ones is [ours], and so is the count for an odd number of pixels. The prototypes of a class are its
    `sembench.evaluation.maps.own_prototypes`.

    Args:
        model: The fitted model; it offers the relevance of single prototypes.
        images: Normalised images ``(N, 3, H, W)``, on the model's device.
        labels: Their true classes ``(N,)``.
        noise: What pixels are replaced by, ``(N, 3, H, W)``.
        batch_size: Images per forward pass.
        name: Name of the entry, for messages.

    Returns:
        Pairs in the order of images, then prototypes, on the CPU. Costs one forward pass of the images, and for each
        pair one attribution and one forward pass, in batches.

    Raises:
        NotOffered: If the model has no relevance of single prototypes.
        ContractBroken: If a map or a similarity has a wrong shape or is not finite.

    References:
        [K] section 4 names the measures; the definition is that of its public code.
    """
    device, half = images.device, round(images.shape[2] * images.shape[3] / 2)
    own = own_prototypes(labels.to(device), model.prototypes.classes.to(device))
    rows, prototypes = own.nonzero(as_tuple=True)
    found = []
    for row, prototype in zip(rows.split(batch_size), prototypes.split(batch_size), strict=True):
        some = images[row]
        maps = model.attribute_prototypes(some, prototype).detach()
        check_shape("relevance of prototypes", maps, (len(some), *images.shape[2:]), name)
        check_finite("relevance of prototypes", maps, name)
        seen = torch.where((ranks(maps) < half)[:, None], noise[row.to(noise.device)].to(device), some)
        found.append(_similarities(model, seen, name).gather(1, prototype[:, None])[:, 0])
    clean = torch.cat([_similarities(model, part, name) for part in images.split(batch_size)])
    return Similarities(clean[rows, prototypes].cpu(), torch.cat(found).cpu(), rows.cpu())


def _similarities(model: SelfExplainableModel, images: Tensor, name: str) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(images).similarities
    check_shape("similarities", found, (len(images), len(model.prototypes)), name)
    check_finite("similarities", found, name)
    return found
