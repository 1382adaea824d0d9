"""Runs cells: one explainer, one data set, one seed in, one result file out.

This is the only place that knows of devices, clocks and files at once. A cell that fails is reported and the others go
on; what is finished stays; a run that was killed goes on where it was, with the same numbers.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from benchmark.cache import Cache, tensors_sha256
from benchmark.cost import PassCounter, peak_memory, tensor_count
from benchmark.data.dataset import Dataset
from benchmark.errors import CacheDamaged, ContractBroken, DiskFull, FolderBusy, PluginBroken, SuiteInvalid
from benchmark.evaluation import Evaluation, Reference, Settings
from benchmark.explainer import Explainer, SelfExplainableModel
from benchmark.metric import Metric
from benchmark.models.backbone import Backbone, freeze
from benchmark.models.training import Training, train_backbone
from benchmark.plan import UNKNOWN_SOURCE, Cell, sources
from benchmark.provenance import measure_of, provenance_of, scored
from benchmark.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS
from benchmark.results import Cost, NotApplicable, Result, Score, write_atomically, write_result
from benchmark.seeding import derive, isolated
from benchmark.types import Capability, check_finite


class Reporter(Protocol):
    """Who is told what the runner does."""

    def phase(self, cell: Cell, text: str) -> None:
        """What a cell is busy with."""

    def note(self, text: str) -> None:
        """Something that the user should know, but that stops nothing."""

    def finished(self, cell: Cell, result: Result, seconds: float) -> None:
        """A cell's result is written."""

    def failed(self, cell: Cell, error: Exception) -> None:
        """A cell ended without a result."""


@dataclass
class Summary:
    """How a run went: cells with a new result, and cells without one and why."""

    finished: list[Cell] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True)
class _Trained:
    """A trained backbone with what is known of it."""

    backbone: Backbone
    sha256: str
    reference: Reference
    seconds: float
    recipe: dict[str, Any]


@dataclass(frozen=True)
class _Slot:
    """One place in the cache, as a training sees it."""

    cache: Cache
    kind: str
    key: Mapping[str, Any]
    note: Any

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What is stored; nothing, and a note, where it is damaged."""
        try:
            return self.cache.load(self.kind, self.key)
        except CacheDamaged as error:
            self.note(f"{error} It is computed anew.")
            self.cache.discard(self.kind, self.key)
            return None

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Replaces what is stored."""
        self.cache.save(self.kind, self.key, tensors, facts)


class Runner:
    """Computes cells into a folder of results.

    Args:
        out: Folder of results; only one run at a time may write to it.
        cache: Store of trained backbones and fitted models.
        data_root: Folder of data sets.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``.
        reporter: Who is told.

    Raises:
        SuiteInvalid: If the device is not there.
    """

    def __init__(self, out: Path, cache: Cache, data_root: Path, device: str, reporter: Reporter) -> None:
        self.out = out
        self.cache = cache
        self.data_root = data_root
        self.device = _device(device)
        self.reporter = reporter
        self._dataset: tuple[str, Dataset] | None = None
        self._trained: tuple[str, _Trained] | None = None

    def run(self, cells: Iterable[Cell]) -> Summary:
        """Runs cells in their order.

        Raises:
            UnknownName, SuiteInvalid: If a recipe does not take its hyper-parameters; nothing has run then.
            FolderBusy: If another run writes to the folder.
            DiskFull: If there is no room left; results written before are kept.
        """
        cells = list(cells)
        for cell in cells:
            with suppress(PluginBroken):  # reported as the failure of its own cells, below
                recipe_of(cell)
        summary = Summary()
        with _locked(self.out), _deterministic(self.device):
            for cell in cells:
                started = time.perf_counter()
                try:
                    with isolated(derive(cell.seed, cell.dataset, "global streams")):
                        result = self._run(cell)
                    write_result(self.out, result)
                except DiskFull:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a plugin does, the other cells go on
                    summary.failed[cell.name] = error
                    self.reporter.failed(cell, error)
                    write_atomically(_failure_path(self.out, cell), traceback.format_exc().encode())
                else:
                    _failure_path(self.out, cell).unlink(missing_ok=True)
                    summary.finished.append(cell)
                    self.reporter.finished(cell, result, time.perf_counter() - started)
        return summary

    def _run(self, cell: Cell) -> Result:
        recipe, metrics = recipe_of(cell), [METRICS.get(name) for name in cell.metrics]
        dataset = self._load_dataset(cell)
        trained = self._train(cell, dataset)
        model, fit = self._fit(cell, recipe, trained, dataset)
        self.reporter.phase(cell, "evaluating")
        check_finite("prototypes", model.prototypes.vectors, cell.entry)
        evaluation = Evaluation(model, trained.reference, cell.entry)
        with evaluation.counter as counter:
            scores = self._score(recipe, metrics, evaluation)
            timing = _timing(recipe, evaluation)
        self._require_untouched(cell, trained)
        cost = Cost(
            **timing,
            backbone_seconds=trained.seconds,
            fit_seconds=fit["seconds"],
            fit_passes=fit["passes"],
            fit_images=fit["images"],
            evaluation_passes=counter.passes,
            evaluation_images=counter.images,
            peak_memory_bytes=peak_memory(self.device),
            parameters=tensor_count(dict(model.state_dict())),
            own_parameters=tensor_count(model.fitted_state()),
            hyperparameters=len(recipe.hyperparameters()),
        )
        return Result(
            suite=cell.suite,
            dataset=cell.dataset,
            explainer=cell.entry,
            kind=recipe.kind,
            seed=cell.seed,
            identity=cell.identity,
            settings=cell.settings,
            hyperparameters=_json(recipe.hyperparameters()),
            explained_images=tuple(trained.reference.sample.indices.tolist()),
            scores=scores,
            cost=cost,
            provenance=provenance_of(
                cell,
                dataset,
                backbone_sha256=trained.sha256,
                backbone_training=trained.recipe,
                model_sha256=tensors_sha256(model.fitted_state()),
                device=self.device,
            ),
        )

    def _load_dataset(self, cell: Cell) -> Dataset:
        """The cell's data set; the last one is kept, since cells come grouped."""
        spec: Any = cell.settings["dataset"]
        key = f"{spec}"
        if self._dataset is None or self._dataset[0] != key:
            self.reporter.phase(cell, f"loading {cell.dataset}")
            options = {} if spec["image_size"] is None else {"image_size": spec["image_size"]}
            self._dataset = None
            self._dataset = key, DATASETS.get(spec["name"])(self.data_root, **options)
        return self._dataset[1]

    def _train(self, cell: Cell, dataset: Dataset) -> _Trained:
        """The cell's black box, trained or from the cache; the last one is kept in memory."""
        spec: Any = cell.settings["backbone"]
        training: Any = cell.settings["training"]
        key = {
            "backbone": spec,
            "training": training,
            "dataset": dataset.sha256,
            "image_size": dataset.train.image_size,
            "seed": cell.seed,
            "source": sources(cell)["backbone"],
            "torch": torch.__version__,
            "device": self.device.type,
        }
        evaluation: Any = cell.settings["evaluation"]
        settings = Settings(**evaluation, batch_size=cell.batch_size)
        memo = f"{key} {settings}"
        if self._trained is not None and self._trained[0] == memo:
            return self._trained[1]
        self._trained = None
        with isolated(derive(cell.seed, cell.dataset, "backbone")):
            backbone: Backbone = BACKBONES.get(spec["name"])(dataset.n_classes, weights=spec["weights"])
        backbone.to(self.device)
        stored = _Slot(self.cache, "backbone", key, self.reporter.note)
        found = stored.load()
        if found is None:
            found = self._train_anew(cell, backbone, dataset, Training(**training), stored)
        weights, facts = found
        backbone.load_state_dict(weights)
        freeze(backbone)
        trained = _Trained(
            backbone,
            tensors_sha256(backbone.state_dict()),
            Reference(backbone, dataset, cell.seed, settings),
            facts["seconds"],
            {**spec, **training},
        )
        self._trained = memo, trained
        return trained

    def _train_anew(
        self, cell: Cell, backbone: Backbone, dataset: Dataset, training: Training, stored: _Slot
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        def report(text: str) -> None:
            self.reporter.phase(cell, f"training the black box, {text}")

        report("epoch 0")
        checkpoint = _Slot(self.cache, "checkpoint", stored.key, self.reporter.note)
        started = time.perf_counter()
        seed = derive(cell.seed, cell.dataset, "training")
        train_backbone(backbone, dataset.train, training, seed=seed, checkpoint=checkpoint, report=report)
        facts = {"seconds": time.perf_counter() - started}
        stored.save(backbone.state_dict(), facts)
        self.cache.discard("checkpoint", stored.key)
        return dict(backbone.state_dict()), facts

    def _fit(
        self, cell: Cell, recipe: Explainer, trained: _Trained, dataset: Dataset
    ) -> tuple[SelfExplainableModel, dict[str, Any]]:
        """The cell's model, fitted or from the cache, in evaluation mode, and what the fit cost."""
        explainer: Any = cell.settings["explainer"]
        key = {
            "explainer": explainer["name"],
            "hyperparameters": _json(recipe.hyperparameters()),
            "source": sources(cell)["explainer"],
            "backbone": trained.sha256,
            "dataset": dataset.sha256,
            "seed": cell.seed,
        }
        slot = _Slot(self.cache, "model", key, self.reporter.note)
        found = slot.load() if key["source"] != UNKNOWN_SOURCE else None
        if found is not None:
            return recipe.restore(trained.backbone, found[0]).to(self.device).eval(), found[1]
        self.reporter.phase(cell, "fitting")
        source = torch.Generator().manual_seed(derive(cell.seed, cell.dataset, "fit"))
        with PassCounter(trained.backbone) as counter:
            started = _now(self.device)
            model = recipe.fit(trained.backbone, dataset.train, generator=source).to(self.device).eval()
            seconds = _now(self.device) - started
        self._require_untouched(cell, trained)
        facts = {"seconds": seconds, "passes": counter.passes, "images": counter.images}
        if key["source"] != UNKNOWN_SOURCE:
            slot.save(model.fitted_state(), facts)
        return model, facts

    def _require_untouched(self, cell: Cell, trained: _Trained) -> None:
        """Raises `ContractBroken` if a backbone is not what it was; it is then loaded again for the next cell."""
        if tensors_sha256(trained.backbone.state_dict()) != trained.sha256:
            self._trained = None
            raise ContractBroken(f"{cell.entry} changed the weights of the backbone that it was given; fit a copy.")

    def _score(self, recipe: Explainer, metrics: list[Metric], evaluation: Evaluation) -> dict[str, Score]:
        """Applicability is decided first, by set comparison; then one pass a split; then the scores."""
        offered = recipe.supports | evaluation.dataset.supports
        scores: dict[str, Score] = {}
        meters = {}
        for metric in metrics:
            missing = metric.missing(offered)
            if missing:
                first = min(missing)
                reason = recipe.lacks.get(first, f"{evaluation.name} does not offer {first.value}")
                scores[metric.name] = NotApplicable(measure=measure_of(metric), reason=reason)
            else:
                meters[metric.name] = metric.meter(evaluation)
        evaluation.run_passes(meters.values())
        for metric in metrics:
            if metric.name in meters:
                scores[metric.name] = scored(metric, meters[metric.name].scores(), evaluation.name)
        return {metric.name: scores[metric.name] for metric in metrics}


def _failure_path(root: Path, cell: Cell) -> Path:
    """Where the traceback of a failed cell goes, beside its result; removed once the cell succeeds."""
    return cell.path(root).with_suffix(".error.txt")


def recipe_of(cell: Cell) -> Explainer:
    """The recipe that a cell asks for, with its hyper-parameters.

    Raises:
        UnknownName, PluginBroken: If there is no such explainer.
        SuiteInvalid: If it does not take these hyper-parameters.
    """
    spec: Any = cell.settings["explainer"]
    make = EXPLAINERS.get(spec["name"])
    try:
        recipe = make(**spec["parameters"])
    except TypeError as error:
        accepted = ", ".join(make().hyperparameters()) or "none"
        raise SuiteInvalid(f"{cell.entry}: {error}. Hyper-parameters of {spec['name']} are: {accepted}.") from error
    if not isinstance(recipe, Explainer):
        raise SuiteInvalid(f"{spec['name']} makes a {type(recipe).__name__}, not an Explainer.")
    return recipe


def _timing(recipe: Explainer, evaluation: Evaluation) -> dict[str, Any]:
    """Seconds per image to classify and to explain, over the explained sample."""
    count = len(evaluation.sample)
    images = evaluation.sample.images.to(evaluation.reference.backbone.device)
    started = _now(images.device)
    evaluation.predict(images)
    predict = (_now(images.device) - started) / count
    if Capability.ATTRIBUTION not in recipe.supports:
        return {"predict_seconds_per_image": predict, "explain_seconds_per_image": None, "explain_images": None}
    with PassCounter(evaluation.model) as counter:
        started = _now(images.device)
        evaluation.model.attribute(images)
        explain = (_now(images.device) - started) / count
    return {
        "predict_seconds_per_image": predict,
        "explain_seconds_per_image": explain,
        "explain_images": counter.images / count,
    }


def _now(device: torch.device) -> float:
    """The clock, s, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _json(values: Mapping[str, object]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SuiteInvalid(f"device {name!r} cannot be used: {error}. 'cpu' always can.") from error
    return device


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this run. Raises `FolderBusy` at once if another run holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        with lock:
            yield
    except Timeout as error:
        raise FolderBusy(
            f"another run is writing to {folder}. Wait for it, or give this one a folder of its own with --out."
        ) from error


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms for this run: enforced on the CPU, preferred elsewhere."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
