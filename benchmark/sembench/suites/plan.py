"""The runs that a suite asks for, and which of them are there already. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, TypeAdapter, ValidationError

from sembench.errors import ResultDamaged
from sembench.plugins.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS
from sembench.results.result import Result, digest, read_result, result_path, wrong_fields
from sembench.suites.network import BackboneSpec, TrainingSpec
from sembench.suites.sources import backbone_hash, instrument_hash, plugin_hash
from sembench.suites.suite import DatasetSpec, EvaluationSpec, ExplainerSpec, Suite

Status = Literal["missing", "done", "stale"]


@dataclass(frozen=True)
class Run:
    """One explainer on one data set with one seed: what is asked for.

    Attributes:
        suite: Name of the suite.
        data: The data set; what it says of backbone, training and seeds is in the fields below already.
        explainer: The explainer.
        backbone: The black box; the content of a weights file is named.
        training: How the black box is trained.
        evaluation: How the model is evaluated; its batch size decides no number beyond rounding.
        metrics: Names of the metrics to compute.
        seed: The seed.
    """

    suite: str
    data: DatasetSpec
    explainer: ExplainerSpec
    backbone: BackboneSpec
    training: TrainingSpec
    evaluation: EvaluationSpec
    metrics: tuple[str, ...]
    seed: int

    @property
    def dataset(self) -> str:
        """Label of the data set on the board."""
        return self.data.entry

    @property
    def entry(self) -> str:
        """Label of the explainer on the board."""
        return self.explainer.entry

    @property
    def name(self) -> str:
        """``suite/data set/entry/seed-n``, for messages."""
        return f"{self.suite}/{self.dataset}/{self.entry}/seed-{self.seed}"

    @cached_property
    def settings(self) -> dict[str, JsonValue]:
        """Everything that decides the numbers, as JSON."""
        return {
            "dataset": self.data.settings(),
            "backbone": self.backbone.settings(),
            "training": self.training.settings(),
            "evaluation": self.evaluation.model_dump(mode="json", exclude={"batch_size"}),
            "metrics": list(self.metrics),
            "explainer": {"name": self.explainer.name, "parameters": self.explainer.parameters},
            "seed": self.seed,
        }

    @cached_property
    def identity(self) -> str:
        """Hash of the settings: equal for two runs that ask the same question."""
        return digest(self.settings)

    @cached_property
    def sources(self) -> dict[str, str]:
        """Hashes of the source code that the numbers depend on."""
        return {
            "instrument": instrument_hash(),
            "explainer": plugin_hash(EXPLAINERS.source(self.explainer.name)),
            "dataset": plugin_hash(DATASETS.source(self.data.name)),
            "backbone": backbone_hash(self.backbone.in_place().name),
            **{f"metric {name}": plugin_hash(METRICS.source(name)) for name in self.metrics},
        }

    def path(self, root: Path) -> Path:
        """Where the result lies below ``root``."""
        return result_path(root, self.suite, self.dataset, self.entry, self.seed)


def plan(
    suite: Suite,
    *,
    explainers: Iterable[str] = (),
    datasets: Iterable[str] = (),
    seeds: Iterable[int] = (),
) -> list[Run]:
    """The runs of a suite, grouped so that a trained backbone serves all entries that share it.

    Names are not looked up here: `check_names` does that for the runs that are still to be made.

    Args:
        suite: The suite.
        explainers: Entries to run instead of the suite's; a name that the suite does not know is taken from the
            registry with its defaults.
        datasets: Labels of the data sets to run on instead of all of the suite's; a name that the suite does not know
            is taken from the registry.
        seeds: Seeds instead of the data set's, or the suite's.

    Raises:
        UnknownName: If what is given is no name at all.
        SuiteInvalid: If a weights file is not the one that the suite names, or cannot be read; or if the suite says
            nothing of the training of a network that is not frozen.
    """
    specs = [suite.explainer(entry) for entry in explainers] or suite.explainers
    runs = []
    for data in [suite.dataset(name) for name in datasets] or suite.datasets:
        backbone, training = (data.backbone or suite.backbone).resolved(), suite.training_of(data)
        runs += [
            Run(suite.name, data, spec, backbone, training, suite.evaluation, suite.metrics, seed)
            for seed in tuple(seeds) or data.seeds or suite.seeds
            for spec in specs
        ]
    return runs


def run_of(result: Result) -> Run:
    """The run that a result answers, to be made again.

    Raises:
        ResultDamaged: If the settings of the result are none that a suite can have.
    """
    asked: dict[str, JsonValue] = {**result.settings, "suite": result.suite, "seed": result.seed}
    asked["data"] = _with(asked.get("dataset"), label=result.dataset)
    asked["explainer"] = _with(asked.get("explainer"), label=result.explainer)
    asked["evaluation"] = _with(asked.get("evaluation"), batch_size=result.provenance.batch_size)
    place = f"{result.suite}/{result.dataset}/{result.explainer}/seed-{result.seed}"
    remedy = "Compute the result again, with a suite of this version."
    try:
        run = TypeAdapter(Run).validate_python(asked)
    except ValidationError as error:
        raise ResultDamaged(f"{place}: settings: {wrong_fields(error, 'all of them')}. {remedy}") from error
    if run.identity != result.identity:
        raise ResultDamaged(f"{place}: its settings are not those of a suite, or of another seed. {remedy}")
    return run


def _with(spec: JsonValue, **more: JsonValue) -> JsonValue:
    return {**spec, **more} if isinstance(spec, dict) else spec


def check_names(runs: Iterable[Run]) -> None:
    """Raises `UnknownName`, with near matches, for the first name in these runs that no registry knows."""
    names = (
        pair
        for run in runs
        for pair in (
            (EXPLAINERS, run.explainer.name),
            (DATASETS, run.data.name),
            (BACKBONES, run.backbone.name),
            *((METRICS, metric) for metric in run.metrics),
        )
    )
    for registry, name in dict.fromkeys(names):  # runs share them, and each look-up reads what is installed
        registry.require(name)


def status(run: Run, root: Path) -> tuple[Status, Result | None]:
    """Whether the result of a run is there, and the result; ``stale`` if one of other settings stands in its place.

    Raises:
        ResultDamaged: If a file is there that cannot be read.
    """
    path = run.path(root)
    if not path.exists():
        return "missing", None
    result = read_result(path)
    return ("done" if result.identity == run.identity else "stale"), result
