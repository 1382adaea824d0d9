"""Scores as results state them, with what they mean. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Number = FiniteFloat
Values = Annotated[tuple[Number, ...], Field(min_length=1)]
Unit = Literal["test image", "training image", "explained image", "prototype", "attribute"]


class Strict(BaseModel):
    """A part of a result: frozen, no further keys, no conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Measure(Strict):
    """The meaning of a number: the part of a metric that a reader of results needs.

    Attributes:
        title: Name as printed on the board, e.g. ``"LRP-KL"``.
        direction: Whether higher or lower values are better.
        lower: Smallest possible value, ``None`` if unbounded.
        upper: Largest possible value, ``None`` if unbounded.
        unit: Unit of the values, ``""`` for a pure number.
        per: What one value belongs to.
        version: Raised whenever the definition changes; versions never mix on a board.
        reference: Paper and equation.
        chance_is: What the chance level stands for, in words.
        note: What a reader must know to read the number rightly.
    """

    title: str
    direction: Literal["higher", "lower"]
    lower: Number | None
    upper: Number | None
    unit: str = ""
    per: Unit
    version: int
    reference: str
    chance_is: str
    note: str = ""


class Scored(Strict):
    """A metric's scores in one run.

    Attributes:
        measure: What the values mean.
        values: One score per unit (image or prototype), never averaged.
        chance: Chance level: one number, one per unit, or ``None`` where the metric knows none.
        levels: Further levels to read the scores by, one number per unit, by name: LRP-KL's map without the head, say.
        variants: The same scores under other definitions of the metric, by name; computed on request.
        details: Further series that belong to the scores, e.g. mean curves, by name.
        note: What is particular to the scores of this entry, in a sentence; empty where nothing is.
    """

    status: Literal["scored"] = "scored"
    measure: Measure
    values: Values
    chance: Number | Values | None = None
    levels: dict[str, Values] = {}
    variants: dict[str, Values] = {}
    details: dict[str, Values] = {}
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Scored:
        if isinstance(self.chance, tuple) and len(self.chance) != len(self.values):
            raise ValueError(f"chance has {len(self.chance)} entries for {len(self.values)} values")
        for name, series in self.levels.items():
            if len(series) != len(self.values):
                raise ValueError(f"level {name} has {len(series)} entries for {len(self.values)} values")
        low, high = self.measure.lower, self.measure.upper
        for name, series in {"values": self.values, **self.levels, **self.variants}.items():
            if low is not None and min(series) < low - 1e-6:
                raise ValueError(f"{name}: {min(series)} is below the declared lower bound {low}")
            if high is not None and max(series) > high + 1e-6:
                raise ValueError(f"{name}: {max(series)} is above the declared upper bound {high}")
        return self


class NotApplicable(Strict):
    """A metric that does not apply to this explainer or data set, and why."""

    status: Literal["not applicable"] = "not applicable"
    measure: Measure
    reason: str


Score = Annotated[Scored | NotApplicable, Field(discriminator="status")]
