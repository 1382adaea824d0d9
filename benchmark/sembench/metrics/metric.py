"""The parts of a metric: a pure function, what it declares, and how it reads its input off a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor

from sembench.seeding import uniform_per_image
from sembench.types import Batch, Capability, Explanation, Trait

if TYPE_CHECKING:
    from sembench.evaluation.evaluation import Evaluation

SplitName = Literal["train", "test"]


@dataclass(frozen=True)
class Scores:
    """What a metric found in one run, one score per unit and never an average.

    Attributes:
        values: ``(n,)``, one per image, prototype or attribute.
        chance: The level of a method that knows nothing: a number, one per unit ``(n,)``, or ``None``.
        levels: Further levels to read the scores by, ``(n,)`` each, by name.
        variants: The scores under other definitions, by name; filled only on request.
        details: Further series worth keeping, e.g. mean curves, by name.
        note: What is particular to the scores of this model, in a sentence.
    """

    values: Tensor
    chance: Tensor | float | None = None
    levels: Mapping[str, Tensor] = field(default_factory=dict)
    variants: Mapping[str, Tensor] = field(default_factory=dict)
    details: Mapping[str, Tensor] = field(default_factory=dict)
    note: str = ""


class Meter:
    """Reads one metric off one model. It sees the batches of the shared passes that it asks for, then gives scores.

    All metrics share one forward pass over each split, so a metric that only needs explanations costs no forward
    pass of its own.

    Attributes:
        observes: The splits whose explanations the meter wants to see.
    """

    observes: ClassVar[frozenset[SplitName]] = frozenset()

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def _random_maps(self) -> Tensor:
        """A map of white noise for each explained image ``(N, H, W)``, the same for every explainer."""
        of, shape = self.evaluation, self.evaluation.sample.images.shape[2:]
        return uniform_per_image(of.seed, of.dataset.name, "random map", indices=of.sample.indices, shape=shape)

    def observe(self, split: SplitName, batch: Batch, explanation: Explanation) -> None:
        """Takes in one batch of a shared pass; the batch and the explanation stay as they are."""

    def scores(self) -> Scores:
        """The scores, after all batches have been seen."""
        raise NotImplementedError


def _nothing() -> None:
    """Nothing is missing."""


@dataclass(frozen=True)
class Metric:
    """What a metric declares about itself.

    Attributes:
        name: Key in results.
        title: Name on the board.
        direction: Whether higher or lower is better.
        lower: Smallest possible value, ``None`` if unbounded.
        upper: Largest possible value, ``None`` if unbounded.
        per: What one value belongs to.
        meter: Makes the meter that reads it off a model.
        requires: What the explainer (or the data set, or the network) has to offer.
        version: Raised whenever the definition changes a number.
        reference: Paper and equation.
        chance_is: What the chance level stands for.
        unit: Unit of the values, ``""`` for a pure number.
        variants: Names of the other definitions that the meter computes on request.
        cost: Cost in forward passes, in words.
        note: What a reader must know to read the number rightly.
        absent: Gives the reason why the metric cannot be computed in this installation; ``None`` where it can.
    """

    name: str
    title: str
    direction: Literal["higher", "lower"]
    lower: float | None
    upper: float | None
    per: Literal["test image", "training image", "explained image", "prototype", "attribute"]
    meter: Callable[[Evaluation], Meter]
    requires: frozenset[Capability | Trait] | frozenset[Capability]
    version: int
    reference: str
    chance_is: str
    unit: str = ""
    variants: tuple[str, ...] = ()
    cost: str = "none beyond the shared pass"
    note: str = ""
    absent: Callable[[], str | None] = _nothing

    def missing(self, offered: frozenset[Capability | Trait]) -> frozenset[Capability | Trait]:
        """The required capabilities that are not offered; empty where the metric applies."""
        return self.requires - offered
