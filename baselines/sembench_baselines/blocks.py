"""B4, B234 and the like: concepts of cells across the blocks of a frozen network.

A. Boubekki, L. Clemmensen: *Post-hoc Self-explanation of CNNs*, 2026, Eqs. 6-11. ``b<first>...<last>`` names the blocks
whose outputs make up the composite activation: ``b4`` is the last block of a ResNet alone, ``b234`` its last three.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.errors import FitImpossible
from sembench.explainers.explainer import Explainer
from sembench.similarity import distances, similarity_maps
from sembench.types import Capability, Explanation, Prototypes, Trait, in_pixels
from sembench_baselines.clustering import Flavour, RowSample, classwise_kmeans
from sembench_baselines.settings import (
    PAPER,
    Count,
    PerClass,
    Presets,
    class_of_each,
    prototypes_within,
    require_at_least,
)
from sembench_baselines.voting import VotingModel

Scaling = Literal["none", "dimension", "rms"]

_FIT_BATCH = 256


def composite_activation(maps: Sequence[Tensor], scales: Tensor | None = None, *, unit: bool = True) -> Tensor:
    """Stacks the outputs of consecutive blocks into one feature map (Eqs. 6-8 of [C]).

    Every map is interpolated (bilinear) to the resolution of the first [ours], each cell's vector is divided by its l2
    norm (zero vectors stay zero [ours]), each block is multiplied by its scale, and all are concatenated.

    Args:
        maps: Feature maps ``(B, D_l, h_l, w_l)``, shallow to deep.
        scales: One number per block, see `block_scales`; 1 each by default.
        unit: Whether cells are divided by their norm.

    Returns:
        ``(B, sum D_l, h, w)`` at the first map's resolution.
    """
    size = maps[0].shape[2:]
    parts = []
    for place, activation in enumerate(maps):
        if activation.shape[2:] != size:
            activation = F.interpolate(activation, size=size, mode="bilinear", align_corners=False)
        part = F.normalize(activation, dim=1) if unit else activation
        parts.append(part if scales is None else part * scales[place])
    return torch.cat(parts, 1)


def block_scales(scaling: Scaling, channels: Sequence[int], rows: Sequence[Tensor]) -> Tensor:
    """Numbers that multiply the blocks of a composite: [C] Eq. 8 has them "normalized and scaled", its formula is lost.

        none        1                           cells of unit length, all blocks equal [ours]
        dimension   (1 + D_first) / (1 + D_l)   the code of the predecessor of [C]; weighs deep blocks down
        rms         1 / sqrt(mean_i |x_il|^2)   blocks equal on average, cells of their own length

    The mean of ``rms`` runs over the rows ``x_i`` that k-means uses, of block ``l`` the part ``x_il``; it is that of
    lengths, not of single channels, so that wide blocks do not weigh more [ours]. On cells of unit length it would be 1
    and change nothing: ``rms`` stands instead of unit length. A block that is 0 throughout has the scale 1.

    Args:
        scaling: One of the above.
        channels: Channels of each block, ``D_l``.
        rows: The training cells of each class, ``(R_k, sum D_l)``, not scaled yet.

    Returns:
        ``(n,)``, float32.
    """
    if scaling == "rms":
        squares = torch.stack([torch.linalg.vector_norm(part, dim=0, dtype=torch.float64).square() for part in rows])
        means = squares.sum(0) / sum(len(part) for part in rows)
        lengths = torch.stack([block.sum().sqrt() for block in means.split(list(channels))])
        return torch.where(lengths > 0, 1 / lengths, 1.0).float()
    sizes = 1 + torch.tensor(channels, dtype=torch.float64)
    return (sizes[0] / sizes).float() if scaling == "dimension" else torch.ones(len(channels))


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


class Level(NamedTuple):
    """Prototypes ``(P, D)`` of the composite that starts at one block, and the scales of its blocks ``(n,)``."""

    vectors: Tensor
    scales: Tensor


class BlocksModel(VotingModel):
    """Class-wise centroids of the composite's cells, for which the cells of an image vote.

    Args:
        backbone: The network.
        levels: What the fit found, by first block of the composite, the model's own (the shallowest) included.
        classes: Class of each prototype ``(P,)``, the same for all levels.
        recipe: The hyper-parameters.

    Note:
        ``explains_by = "class"`` is [ours]: the feature importance of [C], Eq. 11, is that of a class.
    """

    explains_by = "class"

    def __init__(self, backbone: Backbone, levels: Mapping[int, Level], classes: Tensor, recipe: Blocks) -> None:
        super().__init__()
        self.backbone = backbone
        self.recipe = recipe
        self.levels = tuple(sorted(levels))
        for number, level in levels.items():
            self.register_buffer(f"vectors{number}", level.vectors.to(backbone.device))
            self.register_buffer(f"scales{number}", level.scales.to(backbone.device))
        self.register_buffer("classes", classes.to(backbone.device))

    def vectors_from(self, level: int) -> Tensor:
        """Prototypes of the composite that starts at block ``level``, ``(P, D_level)``."""
        return self.get_buffer(f"vectors{level}")

    @property
    def prototypes(self) -> Prototypes:
        return Prototypes(self.vectors_from(self.recipe.first), self.classes)

    def _composite(self, maps: Sequence[Tensor], level: int) -> Tensor:
        return self.recipe.composite(maps, level, self.get_buffer(f"scales{level}"))

    def forward(self, images: Tensor) -> Explanation:
        composite = self._composite(self.backbone.feature_maps(images), self.recipe.first)
        return self.voted(similarity_maps(composite, self.vectors_from(self.recipe.first)), composite)

    def prototype_similarities(self) -> Tensor:
        vectors = self.prototypes.vectors.double()
        return -distances(vectors, vectors)

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """Gradient-free attribution (Eq. 11 of [C]), by default of the class that the black box predicts.

        ``a_k = <F, w_k> / |w_k|^2`` at the last block; then, one depth at a time, the map is upsampled (bilinear
        [ours]) and averaged within the segments of the composite's explanation map. A pixel has the score of its cell,
        so that "pixels within the same segment share an identical attribution score"; B4, which averages nothing, has
        one score per cell. Costs one forward pass.
        """
        maps, embedding = self.backbone.maps_and_embedding(images)
        weight = self.backbone.classifier.weight
        if targets is None:
            targets = self.backbone.classifier(embedding).argmax(1)
        columns = weight[targets]
        relevance = torch.einsum("bdhw,bd->bhw", maps[-1], columns / columns.square().sum(1, keepdim=True))
        for level in reversed(self.levels):
            if level == len(maps):
                continue
            similarities = similarity_maps(self._composite(maps, level), self.vectors_from(level))
            size = similarities.shape[2:]
            relevance = F.interpolate(relevance[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
            relevance = segment_means(relevance, similarities.argmax(1), similarities.shape[1])
        return in_pixels(relevance, images.shape[2:])

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """The prototype's segment: 1 at the pixels of the cells that vote for it, 0 elsewhere (Eq. 9 of [C])."""
        votes = self.explanation_map(images) == prototypes[:, None, None]
        return in_pixels(votes.to(images.dtype), images.shape[2:])


@dataclass(frozen=True)
class Blocks(Explainer):
    """Class-wise k-means on the cells of the composite activation.

    With ``scaling="none"``, `B4` and `sembench_baselines.kmex_patches.KMExPatches` differ by the unit norm of cells
    alone.

    Attributes:
        first: First block of the composite, counted from 1.
        last: Last block of the composite.
        prototypes_per_class: One number, or one per class.
        flavour: ``"kmeans"`` or ``"bisecting"``.
        n_init: Restarts of k-means.
        scaling: How the blocks are weighed against each other, see `block_scales`.
        max_rows: Cells that k-means may use at most, all classes together, see
            `sembench_baselines.clustering.RowSample`.
    """

    supports = frozenset(Capability)
    attribution_needs = frozenset({Trait.LINEAR_HEAD})
    presets: ClassVar[Presets] = {"paper": PAPER}

    first: int = 4
    last: int = 4
    prototypes_per_class: PerClass = 5
    flavour: Flavour = "kmeans"
    n_init: int = 1
    scaling: Scaling = "none"
    max_rows: Count = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise FitImpossible(f"blocks run from {self.first} to {self.last}; the first must be 1 or more.")
        require_at_least(self, n_init=1)
        self.require_choices(scaling=get_args(Scaling), flavour=("kmeans", "bisecting"))

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
        samples = {level: RowSample(train.labels, counts, self.max_rows, generator) for level in levels}
        channels: list[int] = []
        with torch.no_grad():
            for batch in train.batches(_FIT_BATCH):
                maps = backbone.feature_maps(batch.images.to(backbone.device))
                channels = [activation.shape[1] for activation in maps]
                for level, sample in samples.items():
                    sample.add(self.composite(maps, level).cpu(), batch.indices)
        fitted = {}
        for level, sample in samples.items():
            rows, widths = sample.per_class(), channels[level - 1 : self.last]
            scales = block_scales(self.scaling, widths, rows)
            points = [part.mul_(scales.repeat_interleave(torch.tensor(widths))) for part in rows]
            prototypes = classwise_kmeans(points, counts, flavour=self.flavour, n_init=self.n_init, generator=generator)
            fitted[level] = Level(prototypes.vectors, scales)
        return BlocksModel(backbone, fitted, class_of_each(counts), self)

    def composite(self, maps: Sequence[Tensor], level: int, scales: Tensor | None = None) -> Tensor:
        """The composite of the blocks from ``level`` to the last one, of a network's feature maps."""
        return composite_activation(maps[level - 1 : self.last], scales, unit=self.scaling != "rms")

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> BlocksModel:
        numbers = [int(name.removeprefix("vectors")) for name in state if name.startswith("vectors")]
        levels = {number: Level(state[f"vectors{number}"], state[f"scales{number}"]) for number in numbers}
        return BlocksModel(backbone, levels, state["classes"], self)


def named(name: str) -> functools.partial[Blocks]:
    """The recipe behind a name such as ``b34``. Raises ``LookupError`` unless it is ``b`` and consecutive digits."""
    digits = [int(digit) for digit in name[1:]] if re.fullmatch(r"b[1-9]+", name) else []
    if not digits or digits != list(range(digits[0], digits[-1] + 1)):
        raise LookupError(name)
    return functools.partial(Blocks, first=digits[0], last=digits[-1])


B4 = functools.partial(Blocks, first=4, last=4)
B234 = functools.partial(Blocks, first=2, last=4)
