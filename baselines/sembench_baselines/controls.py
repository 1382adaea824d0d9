"""Controls: entries with a known answer, by which the measures themselves are checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.relevance.prototypes import Rule, epsilon_shares
from sembench.types import Prototypes
from sembench_baselines.kmex import KMEx, KMExModel
from sembench_baselines.settings import class_of_each, prototypes_of_class

_BANK = 64


def content_keys(images: Tensor) -> Tensor:
    """One 64-bit number per image ``(B,)`` that depends on its pixels and on nothing else."""
    bits = images.float().contiguous().flatten(1).view(torch.int32).long()
    positions = torch.arange(bits.shape[1], device=bits.device)
    return _mix((bits * (_mix(positions) | 1)).sum(1))  # odd factors: no bit of any pixel is lost


def uniform_from(keys: Tensor, count: int) -> Tensor:
    """Random numbers that only depend on their key: ``(B,)`` to ``(B, count)``, uniform on (0, 1), float64."""
    counters = torch.arange(1, count + 1, device=keys.device) * -7046029254386353131  # 2^64 / golden ratio
    return (_shift(_mix(keys[:, None] + counters), 11).double() + 0.5) * 2.0**-53


def _shift(values: Tensor, bits: int) -> Tensor:
    """Logical shift to the right of 64-bit integers."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _mix(values: Tensor) -> Tensor:
    """The finalizer of SplitMix64 (G. Steele et al., OOPSLA 2014); products wrap around."""
    values = (values ^ _shift(values, 30)) * -4658895280553007687
    values = (values ^ _shift(values, 27)) * -7723592293110705685
    return values ^ _shift(values, 31)


class ChanceModel(KMExModel):
    """KMEx on noise: an image's embedding and its relevance map are drawn from a hash of its pixels."""

    def embed(self, images: Tensor) -> Tensor:
        uniform = uniform_from(content_keys(images), self.vectors.shape[1])
        return (math.sqrt(2) * torch.erfinv(2 * uniform - 1)).to(images.dtype)

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        return self._noise(images, content_keys(images.neg()))

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        return self._noise(images, content_keys(images.neg()) ^ (prototypes + 1))

    @property
    def rules(self) -> tuple[Rule, ...]:
        return ()

    def _noise(self, images: Tensor, keys: Tensor) -> Tensor:
        return uniform_from(keys, images[0, 0].numel()).view(-1, *images.shape[2:]).to(images.dtype)


@dataclass(frozen=True)
class Chance(KMEx):
    """Random prototypes, random embeddings, random relevance.

    Known answer: accuracy about ``1/C``, RO-AUROC equal to its random-order curve, LRP-KL that of a random map.
    """

    model = ChanceModel
    kind = "control"
    attribution_needs = frozenset()

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> KMExModel:
        classes = class_of_each(prototypes_of_class(self.prototypes_per_class, train.n_classes))
        vectors = torch.randn(len(classes), backbone.dimension, generator=generator)
        return self.model(backbone, Prototypes(vectors, classes), self)


@dataclass(frozen=True)
class Collapsed(KMEx):
    """KMEx whose prototypes of a class are all the same: the class mean, ``prototypes_per_class`` times.

    Known answer: ghosting ``(L - 1) / L`` and the worst diversity within a class, 1.
    """

    kind = "control"

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> KMExModel:
        counts = prototypes_of_class(self.prototypes_per_class, train.n_classes)
        one = KMEx(prototypes_per_class=1).fit(backbone, train, generator=generator).prototypes
        copies = torch.tensor(counts, device=one.classes.device)
        repeated = Prototypes(*(x.repeat_interleave(copies, 0) for x in (one.vectors, one.classes)))
        return self.model(backbone, repeated, self)


class ShuffledModel(KMExModel):
    """KMEx that shows the relevance map of another image, picked by a hash of the pixels from a bank.

    Args:
        backbone: The network.
        prototypes: Those of KMEx.
        recipe: The hyper-parameters.
        bank: Normalised training images ``(K, 3, H, W)``.
    """

    def __init__(self, backbone: Backbone, prototypes: Prototypes, recipe: KMEx, bank: Tensor) -> None:
        super().__init__(backbone, prototypes, recipe)
        self.register_buffer("bank", bank.to(backbone.device))
        self.bank: Tensor

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        return super().attribute(self._others(images))

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        return super().attribute_prototypes(self._others(images), prototypes)

    def attribute_by(self, rule: str, images: Tensor) -> Tensor:
        return super().attribute_by(rule, self._others(images))

    def _others(self, images: Tensor) -> Tensor:
        """The image that is explained in place of each of these."""
        return self.bank[content_keys(images).remainder(len(self.bank))]


@dataclass(frozen=True)
class Shuffled(KMEx):
    """KMEx whose relevance map belongs to another image.

    Known answer: only the measures of explanations (LRP-KL, RO-AUROC) may differ from KMEx's.
    """

    kind = "control"

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> ShuffledModel:
        fitted = super().fit(backbone, train, generator=generator)
        picks = torch.randperm(len(train), generator=generator)[:_BANK].sort().values
        return ShuffledModel(backbone, fitted.prototypes, self, train.batch(picks).images.contiguous())

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> ShuffledModel:
        return ShuffledModel(backbone, Prototypes(state["vectors"], state["classes"]), self, state["bank"])


class HeadlessModel(KMExModel):
    """KMEx whose relevance lies on the embedding as it is, whatever class or prototype is asked for."""

    def _rule_shares(self, embeddings: Tensor, prototypes: Tensor, targets: Tensor, rule: Rule) -> Tensor:
        return epsilon_shares(embeddings)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return ()


@dataclass(frozen=True)
class Headless(KMEx):
    """KMEx's decisions with the relevance map of the encoder alone, see `sembench.relevance.headless_relevance`.

    Known answer: everything but the measures of explanations is KMEx's, and LRP-KL is its level "headless". An
    explainer on the same frozen network whose LRP-KL is no smaller has not shown that its prototypes explain.
    """

    model = HeadlessModel
    kind = "control"
