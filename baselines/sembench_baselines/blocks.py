"""B4, B234 and the like: concepts of cells across the blocks of a frozen network.

A. Boubekki, L. Clemmensen: *Post-hoc Self-explanation of CNNs*, 2026, Eqs. 6-11. ``b<first>...<last>`` names the blocks
whose outputs make up the composite activation: ``b4`` is the last block of a ResNet alone, ``b234`` its last three.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.errors import FitImpossible
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.similarity import distances, largest_per_class, similarity_maps
from sembench.types import Capability, Explanation, Prototypes, Trait, as_points
from sembench_baselines.clustering import Flavour, RowSample, classwise_kmeans
from sembench_baselines.settings import PAPER, PerClass, Presets, prototypes_within, require_at_least

Scaling = Literal["dimension", "none"]

_FIT_BATCH = 256


def composite_activation(maps: Sequence[Tensor], *, scaling: Scaling = "dimension") -> Tensor:
    """Stacks the outputs of consecutive blocks into one feature map (Eqs. 6-9 of [C]).

    Every map is interpolated (bilinear) to the resolution of the first, each cell's vector is divided by its l2 norm
    (zero vectors stay zero), block ``l`` is scaled by ``(1 + D_first) / (1 + D_l)``, and all are concatenated.

    Args:
        maps: Feature maps ``(B, D_l, h_l, w_l)``, shallow to deep.
        scaling: ``"dimension"`` as above, or ``"none"``.

    Returns:
        ``(B, sum D_l, h, w)`` at the first map's resolution.
    """
    size, first = maps[0].shape[2:], maps[0].shape[1]
    parts = []
    for activation in maps:
        if activation.shape[2:] != size:
            activation = F.interpolate(activation, size=size, mode="bilinear", align_corners=False)
        scale = (1 + first) / (1 + activation.shape[1]) if scaling == "dimension" else 1.0
        parts.append(F.normalize(activation, dim=1) * scale)
    return torch.cat(parts, 1)


def segment_means(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Replaces each value by the mean over its image's segment.

    Args:
        values: ``(B, h, w)``.
        segments: Segment of each cell ``(B, h, w)``, integers in [0, n_segments).
        n_segments: Number of possible segments.

    Returns:
        ``(B, h, w)``.
    """
    batch = torch.arange(len(values), device=values.device)[:, None]
    index = (segments.flatten(1) + batch * n_segments).flatten()
    sums = values.new_zeros(len(values) * n_segments).index_add_(0, index, values.flatten())
    counts = torch.bincount(index, minlength=len(sums)).clamp(min=1)
    return (sums / counts)[index].view_as(values)


class BlocksModel(SelfExplainableModel):
    """Each cell votes for the class of its nearest prototype; the share of votes is the class score.

    Args:
        backbone: The network.
        levels: Prototype vectors by first block of the composite, the model's own (the shallowest) included.
        classes: Class of each prototype ``(P,)``, the same for all levels.
        recipe: The hyper-parameters.
    """

    points = "cell"

    def __init__(self, backbone: Backbone, levels: Mapping[int, Tensor], classes: Tensor, recipe: Blocks) -> None:
        super().__init__()
        self.backbone = backbone
        self.recipe = recipe
        self.levels = tuple(sorted(levels))
        for level, vectors in levels.items():
            self.register_buffer(f"vectors{level}", vectors.to(backbone.device))
        self.register_buffer("classes", classes.to(backbone.device))
        self.classes: Tensor

    def vectors_from(self, level: int) -> Tensor:
        """Prototypes of the composite that starts at block ``level``, ``(P, D_level)``."""
        return self.get_buffer(f"vectors{level}")

    @property
    def prototypes(self) -> Prototypes:
        return Prototypes(self.vectors_from(self.recipe.first), self.classes)

    def _composite(self, maps: Sequence[Tensor], level: int) -> Tensor:
        return composite_activation(maps[level - 1 : self.recipe.last], scaling=self.recipe.scaling)

    def _similarity_maps(self, composite: Tensor, level: int) -> Tensor:
        return similarity_maps(composite, self.vectors_from(level))

    def explanation_map(self, images: Tensor) -> Tensor:
        """Index of the nearest prototype of every cell, ``(B, h, w)`` (Eq. 10)."""
        maps = self(images).similarity_maps
        return maps.argmax(1)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Explanation:
        composite = self._composite(self.backbone.feature_maps(images), self.recipe.first)
        maps = self._similarity_maps(composite, self.recipe.first)
        scores = self.class_scores(maps)
        return Explanation(scores, maps.flatten(2).mean(2), maps, composite, self._decide(scores, maps))

    def class_scores(self, maps: Tensor) -> Tensor:
        """The transparent head (Eq. 10): share of cells that vote for each class, ``(B, P, h, w)`` to ``(B, C)``."""
        votes = F.one_hot(self.classes[maps.flatten(2).argmax(1)], self.backbone.n_classes)
        return votes.to(maps.dtype).mean(1)

    def _decide(self, scores: Tensor, maps: Tensor) -> Tensor:
        """The class with most votes; among equals the one whose prototypes are nearer, summed over cells."""
        nearest = largest_per_class(as_points(maps), self.classes, self.backbone.n_classes)
        closeness = nearest.view(len(maps), -1, self.backbone.n_classes).sum(1)
        tied = scores >= scores.amax(1, keepdim=True) - 1e-6
        return closeness.masked_fill(~tied, -torch.inf).argmax(1)

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        return explanation.class_scores

    def prototype_similarities(self) -> Tensor:
        vectors = self.prototypes.vectors.double()
        return -distances(vectors, vectors)

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """Gradient-free attribution (Eq. 11 of [C]), by default of the class that the black box predicts.

        ``a_k = <F, w_k> / |w_k|^2`` at the last block; then, one depth at a time, the map is upsampled and averaged
        within the segments of the composite's explanation map. Costs one forward pass.
        """
        maps = self.backbone.feature_maps(images)
        weight = self.backbone.classifier.weight
        if targets is None:
            targets = self.backbone.classifier(self.backbone.average(maps[-1])).argmax(1)
        columns = weight[targets]
        relevance = torch.einsum("bdhw,bd->bhw", maps[-1], columns / columns.square().sum(1, keepdim=True))
        for level in reversed(self.levels):
            if level == len(maps):
                continue
            similarities = self._similarity_maps(self._composite(maps, level), level)
            relevance = _upsample(relevance, similarities.shape[2:])
            relevance = segment_means(relevance, similarities.argmax(1), similarities.shape[1])
        return _upsample(relevance, images.shape[2:])

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """The cells that vote for the prototype, 1 each and 0 elsewhere, interpolated to the image (Eq. 10 of [C])."""
        votes = self.explanation_map(images) == prototypes[:, None, None]
        return _upsample(votes.to(images.dtype), images.shape[2:])


def _upsample(values: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(values[:, None], size=tuple(size), mode="bilinear", align_corners=False)[:, 0]


@dataclass(frozen=True)
class Blocks(Explainer):
    """Class-wise k-means on the cells of the composite activation.

    Attributes:
        first: First block of the composite, counted from 1.
        last: Last block of the composite.
        prototypes_per_class: One number, or one per class.
        flavour: ``"kmeans"`` or ``"bisecting"``.
        n_init: Restarts of k-means.
        scaling: Scale of the blocks against each other, see `composite_activation`.
        max_rows: Cells that k-means may use at most, all classes together. If there are more, a random sample of each
            class's cells is used [ours], so that memory does not grow with the number of images.
    """

    supports = frozenset(Capability)
    attribution_needs = frozenset({Trait.LINEAR_HEAD})
    presets: ClassVar[Presets] = {"paper": PAPER}

    first: int = 4
    last: int = 4
    prototypes_per_class: PerClass = 5
    flavour: Flavour = "kmeans"
    n_init: int = 1
    scaling: Scaling = "dimension"
    max_rows: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise FitImpossible(f"blocks run from {self.first} to {self.last}; the first must be 1 or more.")
        require_at_least(self, n_init=1)
        self.require_choices(scaling=("dimension", "none"), flavour=("kmeans", "bisecting"))

    def obstacle(self, backbone: Backbone) -> str | None:
        if self.last > len(backbone.blocks):
            return f"the composite ends at block {self.last}, but this backbone has {len(backbone.blocks)} blocks"
        return super().obstacle(backbone)

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> BlocksModel:
        obstacle = self.obstacle(backbone)
        if obstacle is not None:
            raise FitImpossible(f"{obstacle}.")
        counts = prototypes_within(self.prototypes_per_class, train)
        # Eq. 11 skips the network's last block, so the composite of that block alone is not needed.
        deepest = self.last if self.last < len(backbone.blocks) else max(self.first, self.last - 1)
        levels = range(self.first, deepest + 1)
        rows = {level: RowSample(train.labels, counts, self.max_rows, generator) for level in levels}
        with torch.no_grad():
            for batch in train.batches(_FIT_BATCH):
                maps = backbone.feature_maps(batch.images.to(backbone.device))
                for level in levels:
                    composite = composite_activation(maps[level - 1 : self.last], scaling=self.scaling)
                    rows[level].add(composite.cpu(), batch.indices)
        fitted = {
            level: classwise_kmeans(
                rows[level].per_class(), counts, flavour=self.flavour, n_init=self.n_init, generator=generator
            )
            for level in levels
        }
        vectors = {level: prototypes.vectors for level, prototypes in fitted.items()}
        return BlocksModel(backbone, vectors, fitted[self.first].classes, self)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> BlocksModel:
        levels = {int(name.removeprefix("vectors")): v for name, v in state.items() if name.startswith("vectors")}
        return BlocksModel(backbone, levels, state["classes"], self)


def named(name: str) -> functools.partial[Blocks]:
    """The recipe behind a name such as ``b34``. Raises ``LookupError`` unless it is ``b`` and consecutive digits."""
    digits = [int(digit) for digit in name[1:]] if re.fullmatch(r"b[1-9]+", name) else []
    if not digits or digits != list(range(digits[0], digits[-1] + 1)):
        raise LookupError(name)
    return functools.partial(Blocks, first=digits[0], last=digits[-1])


B4 = functools.partial(Blocks, first=4, last=4)
B234 = functools.partial(Blocks, first=2, last=4)
