"""Runs cells: one explainer, one data set, one seed in, one result file out.

This is the only place that knows of devices, clocks and files at once. A cell that fails is reported and the others go
on; what is finished stays; a run that was killed goes on where it was, with the same numbers.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from sembench.backbones.backbone import every_pass_made
from sembench.cost import PassCounter, peak_memory, tensor_count
from sembench.data.dataset import Dataset
from sembench.errors import DiskFull, FolderBusy, NotWritable, PluginBroken
from sembench.evaluation.evaluation import Evaluation
from sembench.explainers.explainer import Explainer
from sembench.files import require_writable, write_atomically, writing
from sembench.metrics.applicability import Offer, offer
from sembench.metrics.scoring import measure_of, score
from sembench.plugins.registry import METRICS
from sembench.results.result import Cost, NotApplicable, Result, Score, write_result
from sembench.running.cache import Cache, tensors_sha256
from sembench.running.datasets import loader_of
from sembench.running.preparation import (
    Fitted,
    Preparation,
    Trained,
    clock,
    deterministic,
    device_of,
    json_of,
    recipe_of,
)
from sembench.running.provenance import provenance_of
from sembench.seeding import derive, isolated
from sembench.suites.plan import Cell
from sembench.types import Capability, check_finite


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
        self.device = device_of(device)
        self.reporter = reporter
        self.preparation = Preparation(cache, data_root, self.device, reporter.note)

    def run(self, cells: Iterable[Cell]) -> Summary:
        """Runs cells in their order.

        Raises:
            UnknownName, SuiteInvalid: If a recipe does not take its hyper-parameters, or a data set its options;
                nothing has run then.
            FolderBusy: If another run writes to the folder.
            NotWritable: If nobody can; nothing has run then.
            DiskFull: If there is no room left; results written before are kept.
        """
        cells = list(cells)
        for cell in cells:
            with suppress(PluginBroken):  # reported as the failure of its own cells, below
                recipe_of(cell)
        for cell in {(cell.suite, cell.dataset): cell for cell in cells}.values():
            with suppress(PluginBroken):
                loader_of(cell)
        summary = Summary()
        with _locked(self.out), deterministic(self.device):
            for cell in cells:
                started = time.perf_counter()
                try:
                    require_writable(cell.path(self.out).parent)  # before anything is trained for it
                    with isolated(derive(cell.seed, cell.named("dataset"), "global streams")):
                        result = self._run(cell)
                    write_result(self.out, result)
                except DiskFull:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a plugin does, the other cells go on
                    summary.failed[cell.name] = error
                    self.reporter.failed(cell, error)
                    self._keep_traceback(cell)
                else:
                    _failure_path(self.out, cell).unlink(missing_ok=True)
                    summary.finished.append(cell)
                    self.reporter.finished(cell, result, time.perf_counter() - started)
        return summary

    def _keep_traceback(self, cell: Cell) -> None:
        """Writes the traceback of the error that is being handled beside the cell's result, or notes that it cannot."""
        try:
            write_atomically(_failure_path(self.out, cell), traceback.format_exc().encode())
        except NotWritable as error:
            self.reporter.note(f"the traceback of {cell.name} is lost: {error}")

    def _run(self, cell: Cell) -> Result:
        def report(text: str) -> None:
            self.reporter.phase(cell, text)

        recipe, metrics = recipe_of(cell), [METRICS.get(name) for name in cell.metrics]
        dataset = self.preparation.dataset(cell, report)
        trained = self.preparation.black_box(cell, dataset, report)
        offered = offer(recipe, trained.backbone, dataset.supports)
        if offered.obstacle is not None:
            none: dict[str, Score] = {
                metric.name: NotApplicable(measure=measure_of(metric), reason=offered.obstacle) for metric in metrics
            }
            cost = _cost_of_nothing(recipe, trained, self.device)
            return self._result(cell, recipe, trained, dataset, {}, none, cost)
        fitted = self.preparation.model(cell, recipe, trained, dataset, report)
        report("evaluating")
        check_finite("prototypes", fitted.model.prototypes.vectors, cell.entry)
        evaluation = Evaluation(fitted.model, trained.reference, cell.entry)
        with evaluation.counter:
            scores = score(offered, metrics, evaluation)
            with every_pass_made(trained.backbone):
                timing = _timing(offered, evaluation)
        trained.require_untouched(cell.entry)
        cost = self._cost(recipe, trained, fitted, evaluation, timing)
        return self._result(cell, recipe, trained, dataset, fitted.model.fitted_state(), scores, cost)

    def _result(
        self,
        cell: Cell,
        recipe: Explainer,
        trained: Trained,
        dataset: Dataset,
        state: dict[str, Tensor],
        scores: dict[str, Score],
        cost: Cost,
    ) -> Result:
        return Result(
            suite=cell.suite,
            dataset=cell.dataset,
            explainer=cell.entry,
            kind=recipe.kind,
            seed=cell.seed,
            identity=cell.identity,
            settings=cell.settings,
            hyperparameters=json_of(recipe),
            explained_images=tuple(trained.reference.sample.indices.tolist()),
            scores=scores,
            cost=cost,
            provenance=provenance_of(
                cell,
                dataset,
                backbone_sha256=trained.sha256,
                backbone_training=trained.recipe,
                model_sha256=tensors_sha256(state),
                device=self.device,
                exceptions=recipe.exceptions,
            ),
        )

    def _cost(
        self, recipe: Explainer, trained: Trained, fitted: Fitted, evaluation: Evaluation, timing: dict[str, Any]
    ) -> Cost:
        return Cost(
            **timing,
            backbone_seconds=trained.seconds,
            fit_seconds=fitted.seconds,
            fit_passes=fitted.passes,
            fit_images=fitted.images,
            evaluation_passes=evaluation.counter.passes,
            evaluation_images=evaluation.counter.images,
            peak_memory_bytes=peak_memory(self.device),
            parameters=tensor_count(dict(fitted.model.state_dict())),
            own_parameters=tensor_count(fitted.model.fitted_state()),
            hyperparameters=len(recipe.hyperparameters()),
        )


def _cost_of_nothing(recipe: Explainer, trained: Trained, device: torch.device) -> Cost:
    """What an entry cost that could not be fitted: no pass was made."""
    return Cost(
        backbone_seconds=trained.seconds,
        fit_seconds=0.0,
        fit_passes=0,
        fit_images=0,
        predict_seconds_per_image=None,
        explain_seconds_per_image=None,
        explain_images=None,
        evaluation_passes=0,
        evaluation_images=0,
        peak_memory_bytes=peak_memory(device),
        parameters=tensor_count(dict(trained.backbone.state_dict())),
        own_parameters=0,
        hyperparameters=len(recipe.hyperparameters()),
    )


def _timing(offered: Offer, evaluation: Evaluation) -> dict[str, Any]:
    """Seconds per image to classify and to explain, over the explained sample."""
    count, device = len(evaluation.sample), evaluation.reference.backbone.device
    images = evaluation.sample.images.to(device)
    started = clock(device)
    evaluation.predict(images)
    predict = (clock(device) - started) / count
    if Capability.ATTRIBUTION not in offered.offered:
        return {"predict_seconds_per_image": predict, "explain_seconds_per_image": None, "explain_images": None}
    with PassCounter(evaluation.model) as counter:
        started = clock(device)
        evaluation.model.attribute(images)
        explain = (clock(device) - started) / count
    return {
        "predict_seconds_per_image": predict,
        "explain_seconds_per_image": explain,
        "explain_images": counter.images / count,
    }


def _failure_path(root: Path, cell: Cell) -> Path:
    """Where the traceback of a failed cell goes, beside its result; removed once the cell succeeds."""
    return cell.path(root).with_suffix(".error.txt")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this run. Raises `FolderBusy` at once if another run holds it, or `NotWritable`."""
    require_writable(folder)
    lock = FileLock(folder / ".lock", blocking=False)
    with writing(folder / ".lock"):
        try:
            lock.acquire()
        except Timeout as error:
            raise FolderBusy(
                f"another run is writing to {folder}. Wait for it, or give this one a folder of its own with --out."
            ) from error
    try:
        yield
    finally:
        lock.release()
