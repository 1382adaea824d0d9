"""The network of a suite, and how it is trained. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    PrivateAttr,
    StrictBool,
    ValidationError,
    model_validator,
)

from sembench.errors import SuiteInvalid
from sembench.plugins.factory import file_sha256
from sembench.results.result import wrong_fields
from sembench.suites.values import holds, require_short_parts

Positive = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Side = Annotated[int, Field(ge=1, le=4096, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False, strict=True)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)], ...], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Place = Annotated[Text, AfterValidator(require_short_parts)]


class Strict(BaseModel):
    """A part of a suite: it does not change, and has no keys but these."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Channel = Annotated[FiniteFloat, Field(ge=-1e6, le=1e6, strict=True)]
Channels = tuple[Channel, Channel, Channel]
Spread = tuple[Rate, Rate, Rate]


Attribution = Literal["lrp", "integrated-gradients", "input-x-gradient", "grad-cam"]


class BackboneSpec(Strict):
    """The network that is explained, and its initial weights.

    Attributes:
        name: A name from the registry; or ``module:factory`` or ``path/to/file.py:factory``, a network of one's own.
        weights: ``"none"``, ``"imagenet"``, or a file. Relative paths, that of a network's file too, are looked for
            beside the suite file first, then in the working directory.
        weights_sha256: Which file that has to be; with it, results can be held against the suite where it is not.
        blocks: Submodules that the blocks end with; found if left out.
        mean: How the network wants its images, if not normalised by the data set's own statistics: mean per channel of
            pixels in [0, 1] ...
        std: ... and standard deviation; for RGB in [-1, 1] both are 0.5.
        frozen: Explain the network as it comes: it is not trained, whatever the training says. ``"encoder"``: only its
            linear layer is trained.
        embedding: What a transformer's embedding is, see `sembench.backbones.wrapping.wrap`; as in the network by
            default.
        attribution: How maps are made, see `sembench.relevance.propagation.propagate`.
    """

    name: Place
    weights: Place = "none"
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    blocks: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000)] | None = None
    mean: Channels | None = None
    std: Spread | None = None
    frozen: StrictBool | Literal["encoder"] = False
    embedding: Literal["network", "avg", "cls"] = "network"
    attribution: Attribution = "lrp"
    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _mean_with_std(self) -> BackboneSpec:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std of the network's input go together; give both or none")
        if any(value > 1 for value in (*(self.mean or ()), *(self.std or ()))):
            raise ValueError("mean and std are of pixels in [0, 1]; of pixels in [0, 255], divide both by 255")
        return self

    def beside(self, folder: Path) -> BackboneSpec:
        """The spec of a suite file in ``folder``, where the network's file and its weights are looked for first."""
        found = self.model_copy()
        if self.weights not in ("none", "imagenet") and holds((folder / self.weights).is_file):
            found._places["weights"] = str(folder / self.weights)
        file, _, factory = self.name.rpartition(":")
        if file.endswith(".py") and holds((folder / file).is_file):
            found._places["name"] = f"{folder / file}:{factory}"
        return found

    def changed(self, **values: JsonValue) -> BackboneSpec:
        """The spec with other values, validated; the paths among them are the working directory's.

        Raises:
            SuiteInvalid: If a value is none that a suite can have.
        """
        stated = self.model_dump(mode="json", exclude_defaults=True)
        try:
            made = BackboneSpec.model_validate({**stated, **values})
        except ValidationError as error:
            raise SuiteInvalid(f"backbone: {wrong_fields(error, 'its settings')}.") from error
        made._places = {field: place for field, place in self._places.items() if field not in values}
        return made

    def in_place(self) -> BackboneSpec:
        """The spec with the paths under which its files are read; results state the paths as they were written."""
        return self.model_copy(update=self._places)

    def resolved(self) -> BackboneSpec:
        """The spec with the content of its weights file named.

        Raises:
            SuiteInvalid: If the weights file cannot be read, or is not the one that the suite names. A file that is not
                there is no error where the suite names its content: it is missed when it is loaded.
        """
        named, path = self.weights_sha256, Path(self.in_place().weights)
        if self.weights in ("none", "imagenet") or (named is not None and not holds(path.exists)):
            return self
        found = file_sha256(path)
        if named not in (None, found):
            raise SuiteInvalid(
                f"{path} has the SHA-256 {found}, but the suite asks for the file with {named}; get that file, or "
                "leave weights_sha256 out."
            )
        return self.model_copy(update={"weights_sha256": found})

    def settings(self) -> dict[str, JsonValue]:
        """The spec as results state it: what is not said is left out."""
        stated = self.model_dump(mode="json", exclude_defaults=True)
        return {**stated, "name": self.name, "weights": self.weights}


class TrainingSpec(Strict):
    """Training of the network; see `sembench.training.classifier.Training`.

    The precision holds for every training of the suite, the explainers' own included. A suite, and a result, that says
    nothing of ``nesterov`` means Nesterov's momentum; the suites of the papers turn it off.
    """

    epochs: Annotated[int, Field(ge=0, le=1_000_000, strict=True)]
    learning_rate: Rate
    momentum: Share = 0.9
    weight_decay: Share = 0.0
    batch_size: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] = 128
    final_learning_rate: Share = 1e-4
    precision: Literal["float32", "bfloat16"] = "float32"
    nesterov: StrictBool = True

    def settings(self) -> dict[str, JsonValue]:
        """The training as results state it; precision and kind of momentum only where they are not the usual ones."""
        usual = {"precision": "float32", "nesterov": True}
        left_out = {name for name, value in usual.items() if getattr(self, name) == value}
        return self.model_dump(mode="json", exclude=left_out)


UNTRAINED = TrainingSpec(epochs=0, learning_rate=0.001)
"""The training that results state where the network is frozen and the suite says nothing of one."""
