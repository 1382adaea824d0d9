"""Suite files: all that is to be run, stated so that two people run the same. Imports no torch."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError, model_validator

from sembench.errors import SuiteInvalid, UnknownName
from sembench.plugins.factory import file_sha256
from sembench.plugins.registry import DATASETS, EXPLAINERS, Registry
from sembench.results.result import Name, wrong_fields

SUITES = files("sembench.suites")

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Channels = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Spread = tuple[Rate, Rate, Rate]


Attribution = Literal["lrp", "integrated-gradients", "input-x-gradient", "grad-cam"]


class BackboneSpec(_Strict):
    """The network that is explained, and its initial weights.

    Attributes:
        name: A name from the registry; or ``module:factory`` or ``path/to/file.py:factory``, a network of one's own.
        weights: ``"none"``, ``"imagenet"``, or a file.
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

    name: str
    weights: str = "none"
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    blocks: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    mean: Channels | None = None
    std: Spread | None = None
    frozen: bool | Literal["encoder"] = False
    embedding: Literal["network", "avg", "cls"] = "network"
    attribution: Attribution = "lrp"

    @model_validator(mode="after")
    def _mean_with_std(self) -> BackboneSpec:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std of the network's input go together; give both or none")
        return self

    def resolved(self) -> BackboneSpec:
        """The spec with the content of its weights file named.

        Raises:
            SuiteInvalid: If the weights file cannot be read, or is not the one that the suite names. A file that is not
                there is no error where the suite names its content: it is missed when it is loaded.
        """
        named, path = self.weights_sha256, Path(self.weights)
        if self.weights in ("none", "imagenet") or (named is not None and not path.exists()):
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


class TrainingSpec(_Strict):
    """Training of the network; see `sembench.training.classifier.Training`.

    The precision holds for every training of the suite, the explainers' own included. A suite, and a result, that says
    nothing of ``nesterov`` means Nesterov's momentum; the suites of the papers turn it off.
    """

    epochs: Annotated[int, Field(ge=0)]
    learning_rate: Rate
    momentum: Share = 0.9
    weight_decay: Share = 0.0
    batch_size: Annotated[int, Field(ge=2)] = 128
    final_learning_rate: Share = 1e-4
    precision: Literal["float32", "bfloat16"] = "float32"
    nesterov: bool = True

    def settings(self) -> dict[str, JsonValue]:
        """The training as results state it; precision and kind of momentum only where they are not the usual ones."""
        usual = {"precision": "float32", "nesterov": True}
        left_out = {name for name, value in usual.items() if getattr(self, name) == value}
        return self.model_dump(mode="json", exclude=left_out)


class _Entry(_Strict):
    name: Name
    label: Name | None = None
    parameters: dict[str, JsonValue] = {}

    @property
    def entry(self) -> str:
        """The label on the board."""
        return self.label or self.name


class DatasetSpec(_Entry):
    """A data set by name, its label on the board, its options, and what differs from the suite's own settings on it."""

    image_size: Positive | None = None
    backbone: BackboneSpec | None = None
    training: TrainingSpec | None = None
    seeds: Seeds | None = None

    @model_validator(mode="after")
    def _size_in_one_place(self) -> DatasetSpec:
        if "image_size" in self.parameters:
            raise ValueError("image_size stands among its parameters; put it beside the name")
        return self

    def settings(self) -> dict[str, JsonValue]:
        """The data set as results state it; its options only where there are some."""
        stated: dict[str, JsonValue] = {"name": self.name, "image_size": self.image_size}
        return {**stated, "parameters": self.parameters} if self.parameters else stated


class ExplainerSpec(_Entry):
    """An entry: an explainer by name, its label on the board, and the hyper-parameters that are not the default."""


class EvaluationSpec(_Strict):
    """How a fitted model is evaluated.

    Attributes:
        explained_images: Test images that are explained.
        steps: Points of the relevance-order curve beyond the clean image.
        batch_size: Images per forward pass; changes no score beyond rounding.
        variants: Whether to compute the metrics' variants too.
    """

    explained_images: Positive = 100
    steps: Positive = 32
    batch_size: Positive = 100
    variants: bool = False


class Suite(_Strict):
    """A whole benchmark: which explainers on which data sets with which seeds, and everything else that matters."""

    schema_version: Literal[1] = 1
    name: Name
    title: str
    seeds: Seeds
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    backbone: BackboneSpec
    training: TrainingSpec
    evaluation: EvaluationSpec = EvaluationSpec()
    datasets: Annotated[tuple[DatasetSpec, ...], Field(min_length=1)]
    explainers: Annotated[tuple[ExplainerSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_duplicates(self) -> Suite:
        used: dict[str, list[str]] = {
            "data set label": [d.entry for d in self.datasets],
            "explainer label": [e.entry for e in self.explainers],
            "metric": list(self.metrics),
            "seed": [str(seed) for seed in self.seeds],
        }
        for what, names in used.items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} stands there twice; give each entry a label of its own")
        return self

    def dataset(self, entry: str) -> DatasetSpec:
        """The data set under a label; one with the suite's settings where the suite does not name it.

        Raises:
            UnknownName: If that is no name at all.
        """
        return _under(entry, self.datasets, DatasetSpec, DATASETS)

    def explainer(self, entry: str) -> ExplainerSpec:
        """The entry under a label; an explainer with its defaults where the suite does not name it.

        Raises:
            UnknownName: If that is no name at all.
        """
        return _under(entry, self.explainers, ExplainerSpec, EXPLAINERS)


S = TypeVar("S", DatasetSpec, ExplainerSpec)


def _under(entry: str, specs: tuple[S, ...], make: type[S], registry: Registry) -> S:
    """The spec under a label, or one that holds nothing but a name. Raises `UnknownName`."""
    for spec in specs:
        if spec.entry == entry:
            return spec
    try:
        return make(name=entry)
    except ValidationError as error:
        known = {*registry.names(), *(spec.entry for spec in specs)}
        raise UnknownName(registry.kind, entry, known) from error


def suite_names() -> list[str]:
    """The suites that come with sembench."""
    return sorted(item.name.removesuffix(".toml") for item in SUITES.iterdir() if item.name.endswith(".toml"))


def load_suite(name_or_path: str) -> Suite:
    """Reads a suite by name, or from a TOML file of the user's.

    Raises:
        UnknownName: If there is no suite of that name and no file.
        SuiteInvalid: If the file is not TOML, a value is wrong, or a key is unknown; names file and key.
    """
    if name_or_path in suite_names():
        origin, text = f"suite {name_or_path!r}", (SUITES / f"{name_or_path}.toml").read_text("utf-8")
    elif name_or_path.endswith(".toml") or Path(name_or_path).is_file():
        path = Path(name_or_path)
        try:
            origin, text = str(path), path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteInvalid(f"the suite file {path} cannot be read: {error}.") from error
    else:
        raise UnknownName("suite", name_or_path, suite_names())
    return parse_suite(text, origin)


def parse_suite(text: str, origin: str) -> Suite:
    """A suite from TOML text. Raises `SuiteInvalid` naming ``origin`` and every wrong key."""
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SuiteInvalid(f"{origin} is not TOML: {error}.") from error
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        raise SuiteInvalid(f"{origin}: {wrong_fields(error, 'the suite')}.") from error
