"""Suite files: all that is to be run, stated so that two people run the same. Imports no torch."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    Field,
    JsonValue,
    PrivateAttr,
    StrictBool,
    ValidationError,
    model_validator,
)

from sembench.errors import SuiteInvalid, UnknownName
from sembench.plugins.registry import DATASETS, EXPLAINERS, Registry
from sembench.results.result import Name, wrong_fields
from sembench.suites.network import (
    UNTRAINED,
    BackboneSpec,
    Positive,
    Seeds,
    Side,
    Strict,
    Text,
    TrainingSpec,
)
from sembench.suites.values import holds, require_short_parts, toml_content

SUITES = files("sembench.suites")

MOST_RUNS = 100_000
"""Runs that a suite may ask for."""

METRICS = (
    "accuracy", "accuracy_train", "accuracy_gap", "ghosting", "lrp_kl", "ro_auroc", "ro_auroc_gain", "diversity",
    "alignment_class", "alignment_out",
)  # fmt: skip
"""The metrics of a suite that names none: the five measures, and what they are read by."""


class _Entry(Strict):
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


class EvaluationSpec(Strict):
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


class Suite(Strict):
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
