"""Suite files: all that is to be run, stated so that two people run the same. Imports no torch."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, TypeVar

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

from sembench.errors import SuiteInvalid, UnknownName
from sembench.plugins.factory import file_sha256
from sembench.plugins.registry import DATASETS, EXPLAINERS, Registry
from sembench.results.result import Name, wrong_fields
from sembench.suites.values import holds, require_short_parts, toml_content

SUITES = files("sembench.suites")

MOST_RUNS = 100_000
"""Runs that a suite may ask for."""

METRICS = (
    "accuracy", "accuracy_train", "accuracy_gap", "ghosting", "lrp_kl", "ro_auroc", "ro_auroc_gain", "diversity",
    "alignment_class", "alignment_out",
)  # fmt: skip
"""The metrics of a suite that names none: the five measures, and what they are read by."""

Positive = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Side = Annotated[int, Field(ge=1, le=4096, strict=True)]
Rate = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False, strict=True)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)], ...], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Place = Annotated[Text, AfterValidator(require_short_parts)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Channel = Annotated[FiniteFloat, Field(ge=-1e6, le=1e6, strict=True)]
Channels = tuple[Channel, Channel, Channel]
Spread = tuple[Rate, Rate, Rate]


Attribution = Literal["lrp", "integrated-gradients", "input-x-gradient", "grad-cam"]


class BackboneSpec(_Strict):
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


class TrainingSpec(_Strict):
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


class _Entry(_Strict):
    name: Name
    label: Name | None = None
    parameters: dict[str, JsonValue] = {}

    @property
    def entry(self) -> str:
        """The label on the board."""
        return self.label or self.name


class DatasetSpec(_Entry):
    """A data set by name, its label on the board, its options, and what differs from the suite's own settings on it.

    A relative ``path`` of a folder is looked for beside the suite file first, then in the folder of data sets.
    """

    image_size: Side | None = None
    backbone: BackboneSpec | None = None
    training: TrainingSpec | None = None
    seeds: Seeds | None = None
    _folder: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _size_and_path(self) -> DatasetSpec:
        if "image_size" in self.parameters:
            raise ValueError("image_size stands among its parameters; put it beside the name")
        require_short_parts(str(self.parameters.get("path", "")))
        return self

    def beside(self, folder: Path) -> DatasetSpec:
        """The data set of a suite file in ``folder``, where its own relative paths are looked for first."""
        found = self.model_copy(update={"backbone": self.backbone and self.backbone.beside(folder)})
        found._folder = folder
        return found

    @property
    def _beside(self) -> Path | None:
        path = self.parameters.get("path")
        own = self.name == "folder" and self._folder is not None and isinstance(path, str)
        return Path(self._folder or "", str(path)) if own else None

    def options(self) -> dict[str, JsonValue]:
        """Its options, with ``path`` as the folder beside the suite file where there is one."""
        place = self._beside
        return self.parameters if place is None or not holds(place.is_dir) else {**self.parameters, "path": str(place)}

    def looked_in(self) -> str:
        """A sentence, after a space, on where else its folder was looked for; empty where it was nowhere else."""
        place = self._beside
        return "" if place is None or holds(place.is_dir) else f" Beside the suite file, {place} is not there either."

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
    variants: StrictBool = False


class Suite(_Strict):
    """A whole benchmark: which explainers on which data sets with which seeds, and everything else that matters.

    Attributes:
        schema_version: Version of this form.
        name: Its name, and that of its folder of results.
        title: What it measures, in a line; its name by default.
        seeds: Seeds of the runs, those of data sets that have none of their own.
        metrics: Names of the metrics.
        backbone: The network, on data sets that have none of their own.
        training: How it is trained; needed only where a network is not frozen as a whole.
        evaluation: How fitted models are evaluated.
        datasets: The data sets.
        explainers: The entries.
    """

    schema_version: Literal[1] = 1
    name: Name
    title: Text = Field(default_factory=lambda known: known.get("name", "untitled"))
    seeds: Seeds = (0,)
    metrics: Annotated[tuple[Text, ...], Field(min_length=1)] = METRICS
    backbone: BackboneSpec
    training: TrainingSpec | None = None
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
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} stands there twice; give each entry a label of its own")
        runs = sum(len(data.seeds or self.seeds) for data in self.datasets) * len(self.explainers)
        if runs > MOST_RUNS:
            raise ValueError(f"it asks for {runs:,} runs, more than {MOST_RUNS:,}; divide it into several suites")
        return self

    def beside(self, folder: Path) -> Suite:
        """The suite of a file in ``folder``: the relative paths in it are looked for there first."""
        datasets = tuple(data.beside(folder) for data in self.datasets)
        return self.model_copy(update={"backbone": self.backbone.beside(folder), "datasets": datasets})

    def training_of(self, data: DatasetSpec) -> TrainingSpec:
        """The training on a data set. Raises `SuiteInvalid` where there is none and the network is not frozen."""
        training = data.training or self.training
        if training is None and (data.backbone or self.backbone).frozen is not True:
            raise SuiteInvalid(
                f"suite {self.name!r} says nothing of the training on {data.entry}. Add [training], with epochs and "
                "learning_rate; or frozen = true to the backbone, to explain it as it comes."
            )
        return training or UNTRAINED

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
    """Reads a suite by name, or from a TOML file of the user's; relative paths in that are looked for beside it first.

    Raises:
        UnknownName: If there is no suite of that name and no file.
        SuiteInvalid: If the file is not TOML, a value is wrong, or a key is unknown; names file and key.
    """
    if name_or_path in suite_names():
        return parse_suite((SUITES / f"{name_or_path}.toml").read_text("utf-8"), f"suite {name_or_path!r}")
    if not name_or_path.endswith(".toml") and not holds(Path(name_or_path).is_file):
        raise UnknownName("suite", name_or_path, suite_names())
    path = Path(name_or_path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise SuiteInvalid(f"the suite file {path} cannot be read: {error}.") from error
    return parse_suite(text, str(path)).beside(path.parent.resolve())


def parse_suite(text: str, origin: str) -> Suite:
    """A suite from TOML text. Raises `SuiteInvalid` naming ``origin`` and every wrong key."""
    content = toml_content(text, origin)
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        raise SuiteInvalid(f"{origin}: {wrong_fields(error, 'the suite')}.") from error
