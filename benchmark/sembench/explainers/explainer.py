"""A recipe and the model that it makes: the two types that every method of the benchmark is written in."""

from __future__ import annotations

import dataclasses
import html
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from sembench.errors import FitImpossible, NotOffered, SuiteInvalid
from sembench.relevance.fallback import LRP, absent
from sembench.seeding import isolated
from sembench.training.stages import Session
from sembench.types import Capability, Explanation, Prototypes, Trait

if TYPE_CHECKING:
    from sembench.backbones.backbone import Backbone
    from sembench.data.dataset import Split


class SelfExplainableModel(nn.Module, ABC):
    """A fitted classifier that decides through prototypes: what `Explainer.fit` returns.

    A model that explains a frozen network keeps it in the attribute ``backbone``: its weights are stored once, by
    the runner, and not with the model.

    Attributes:
        points: What one comparison is about. ``"image"``: an image activates its most similar prototype.
            ``"cell"``: every cell of the feature map does.
        explains_by: Which of its two maps shows how the model decides, for RO-AUROC and for looking.
            ``"prototype"``: that of the most similar prototype, `attribute_prototypes` ([K] section 4.2.2).
            ``"class"``: that of the decided class, `attribute`, for a method with an attribution of its own ([C]).
        bias: Whether biases take a share of the relevance that both maps propagate. The black box's maps are
            computed under the same setting: maps compare only within one.
        attribution: How both maps are made, see `sembench.relevance.fallback`. A model that takes a backbone's parts,
            and not the backbone itself, takes it over from there.

    Note:
        A model that offers relevance has at least one of the two maps. Where the other one is asked for, the one it
        has stands in, and the result says so; see `sembench.evaluation.maps`.
    """

    points: ClassVar[Literal["image", "cell"]] = "image"
    explains_by: ClassVar[Literal["prototype", "class"]] = "prototype"
    bias: Literal["share", "zero"] = "share"
    attribution: str = LRP

    @property
    @abstractmethod
    def prototypes(self) -> Prototypes:
        """The prototypes, ``(P, D)`` with classes ``(P,)``; none (``P = 0``) for a model without."""

    @abstractmethod
    def forward(self, images: Tensor) -> Explanation:
        """The model's explanation of normalised images ``(B, 3, H, W)``. Costs one forward pass."""

    @abstractmethod
    def class_probabilities(self, explanation: Explanation) -> Tensor:
        """The model's class probabilities ``(B, C)`` from an explanation, without another forward pass."""

    @abstractmethod
    def prototype_similarities(self) -> Tensor:
        """The model's own similarity of every prototype to every other and itself, ``(P, P)``, float64."""

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """The class map: the relevance of each pixel for the probability of a class. LRP-KL compares it.

        Args:
            images: Normalised images ``(B, 3, H, W)``.
            targets: Classes to explain ``(B,)``; by default those that the method explains by its definition,
                the predicted ones.

        Returns:
            Relevance ``(B, H, W)``, signed, summed over colour channels.

        Raises:
            NotOffered: If the method has no relevance of classes.

        References:
            [K] section 4.3.2.
        """
        raise NotOffered(f"{type(self).__name__} does not offer the relevance of classes")

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """The prototype map: the relevance of each pixel for the similarity to one prototype. RO-AUROC follows it.

        Args:
            images: Normalised images ``(B, 3, H, W)``.
            prototypes: Index of the explained prototype of each image ``(B,)``, int64.

        Returns:
            Relevance ``(B, H, W)``, signed, summed over colour channels; of no particular scale.

        Raises:
            NotOffered: If the method has no relevance of single prototypes.

        References:
            [K] section 4.2.2.
        """
        raise NotOffered(f"{type(self).__name__} does not offer the relevance of single prototypes")

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules by which the head can share out a class's relevance; none by default."""
        return ()

    def attribute_by(self, rule: str, images: Tensor) -> Tensor:
        """The class map of the predicted classes under one of the `rules`, ``(B, H, W)``.

        Raises:
            NotOffered: If the model's head has no such rule.
        """
        raise NotOffered(f"the head of {type(self).__name__} has no rule {rule!r}; its rules: {self.rules or 'none'}")

    def decode(self, vectors: Tensor) -> Tensor:
        """Normalised images ``(K, 3, H, W)`` of vectors in prototype space ``(K, D)``. Optional, for figures.

        Raises:
            NotOffered: If the method has no way from prototypes back to images.
        """
        raise NotOffered(f"{type(self).__name__} does not offer decoded images of prototypes")

    def prototype_origins(self) -> Tensor:
        """The origin of each prototype: training image, row and column of the cell, ``(P, 3)``. Optional.

        Raises:
            NotOffered: If prototypes are not taken from training images.
        """
        raise NotOffered(f"{type(self).__name__} does not take its prototypes from training images")

    def embed(self, images: Tensor) -> Tensor:
        """The points that are compared with prototypes: ``(B, D)``, or ``(B, D, h, w)`` where they are cells."""
        embeddings = self(images).embeddings
        if embeddings is None:
            raise NotImplementedError(f"{type(self).__name__} has no embedding; put one into its explanations.")
        return embeddings  # type: ignore[no-any-return]

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities ``(B, C)`` of normalised images. Costs one forward pass."""
        return self.class_probabilities(self(images))

    def _repr_html_(self) -> str:
        prototypes, weights = self.prototypes, sum(tensor.numel() for tensor in self.state_dict().values())
        counts = f"{len(prototypes)} prototypes of {prototypes.vectors.shape[1]} channels, {weights:,} numbers in all"
        return f"<b>{html.escape(type(self).__name__)}</b>: {counts}; its points are {self.points}s"

    def fitted_state(self) -> dict[str, Tensor]:
        """Everything that the fit found, without the frozen backbone: what is stored and hashed."""
        return {k: v.contiguous() for k, v in self.state_dict().items() if not k.startswith("backbone.")}


@dataclass(frozen=True)
class Explainer(ABC):
    """A recipe: hyper-parameters, and how to fit a model with them.

    Subclass as a frozen dataclass whose fields are the hyper-parameters; they are recorded in provenance and cache key
    without further code.

    Attributes:
        kind: ``"explainer"``; ``"control"`` for an entry with a known answer; ``"reference"`` for the black box.
        supports: What a fitted model can show.
        lacks: For a capability that is not in ``supports``, a sentence why, shown on the board.
        needs: What a network must be for the recipe to be fitted to it at all.
        attribution_needs: What it must be for the model's relevance maps. `Trait.RELEVANCE` says that they come from
            `sembench.relevance.propagate`, which has another way where the network declares one.
        presets: Named sets of hyper-parameters, for each data set that they are meant for (``"*"``: for any); what a
            set does not name keeps its default.
        exceptions: For a promise that the method cannot keep by its nature, named as in `sembench.testing.CHECKS`, a
            sentence why, shown on the board.
    """

    kind: ClassVar[Literal["explainer", "control", "reference"]] = "explainer"
    supports: ClassVar[frozenset[Capability]] = frozenset(Capability)
    lacks: ClassVar[Mapping[Capability, str]] = {}
    needs: ClassVar[frozenset[Trait]] = frozenset()
    attribution_needs: ClassVar[frozenset[Trait]] = frozenset({Trait.RELEVANCE})
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    exceptions: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def configured(cls, dataset: str, *, preset: str | None = None, **parameters: Any) -> Self:
        """The recipe for a data set: the given hyper-parameters over those of the preset, if one is named.

        Raises:
            SuiteInvalid: If there is no such preset, or none for this data set.
        """
        if preset is None:
            return cls(**parameters)
        if preset not in cls.presets:
            known = ", ".join(cls.presets) or "none"
            raise SuiteInvalid(f"{cls.__name__} has no preset {preset!r}; its presets are: {known}.")
        columns = cls.presets[preset]
        if dataset not in columns and "*" not in columns:
            raise SuiteInvalid(
                f"preset {preset!r} of {cls.__name__} says nothing of data set {dataset!r}, only of "
                f"{', '.join(columns)}; name the hyper-parameters, or take another preset."
            )
        return cls(**{**columns.get("*", {}), **columns.get(dataset, {}), **parameters})

    def obstacle(self, backbone: Backbone) -> str | None:
        """The reason why the recipe cannot be fitted to this network, in a sentence; ``None`` where it can."""
        missing = sorted(self.needs - backbone.traits)
        return backbone.lacks[missing[0]] if missing else None

    def obstacle_to_maps(self, backbone: Backbone) -> str | None:
        """The reason why the model has no relevance maps on this network, in a sentence; ``None`` where it has."""
        missing = sorted(self.attribution_needs - backbone.traits)
        if backbone.attribution != LRP and Trait.RELEVANCE in self.attribution_needs:
            if (reason := absent()) is not None:
                return f'attribution = "{backbone.attribution}": {reason}'
            missing = [trait for trait in missing if trait != Trait.RELEVANCE]
        return backbone.lacks[missing[0]] if missing else None

    @abstractmethod
    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> SelfExplainableModel:
        """Fits a model. Leaves the backbone as it was, and draws from ``generator`` only.

        Args:
            backbone: The trained black box, frozen and in evaluation mode, for images as the split normalises them;
                `sembench.Workbench.fit` and runs take them to what the network expects.
            train: The training split.
            generator: The only source of randomness, on the CPU.

        Raises:
            FitImpossible: If the data does not allow these hyper-parameters.
        """

    @abstractmethod
    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> SelfExplainableModel:
        """The model that ``fit`` made, from its `SelfExplainableModel.fitted_state`."""

    def require_choices(self, **accepted: tuple[str, ...]) -> None:
        """Raises `FitImpossible` unless each named hyper-parameter has one of the accepted values."""
        for name, values in accepted.items():
            if getattr(self, name) not in values:
                raise FitImpossible(f"{name} is {getattr(self, name)!r}; accepted are {', '.join(values)}.")

    def hyperparameters(self) -> dict[str, object]:
        """The recipe's fields by name, defaults resolved."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class TrainedExplainer(Explainer):
    """A recipe that trains a network of its own, from the architecture of the backbone that it is given.

    Its training can be killed at any moment: `resume` continues from the session's checkpoint.
    """

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> SelfExplainableModel:
        """Trains from start to end, without checkpoints; see `Explainer.fit`."""
        return self.resume(backbone, train, Session(draw_seed(generator)))

    def resume(self, backbone: Backbone, train: Split, session: Session) -> SelfExplainableModel:
        """Trains from the start, or from the session's checkpoint, on random streams of its own.

        Raises:
            FitImpossible: If the data does not allow these hyper-parameters, or the training diverges.
        """
        with isolated(session.seed):
            return self.train(backbone, train, session)

    @abstractmethod
    def train(self, backbone: Backbone, train: Split, session: Session) -> SelfExplainableModel:
        """Builds a network (from the global streams, which are seeded and isolated here) and trains it."""


@dataclass(frozen=True)
class Conversion(Explainer):
    """A recipe that makes a new model of another recipe's fitted one, without training that again.

    Attributes:
        of: Name of the other explainer in the registry.
        base: Its recipe.
    """

    of: str
    base: Explainer

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> SelfExplainableModel:
        """Fits the other model and converts it; see `Explainer.fit`."""
        return self.convert(self.base.fit(backbone, train, generator=generator).eval(), train, generator=generator)

    @abstractmethod
    def convert(self, model: SelfExplainableModel, train: Split, *, generator: torch.Generator) -> SelfExplainableModel:
        """The new model. Leaves the fitted one as it was; it may keep it inside."""


def draw_seed(generator: torch.Generator) -> int:
    """A seed for a training, drawn from a fit's generator."""
    return int(torch.randint(2**62, (), generator=generator))
