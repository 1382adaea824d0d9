"""Makes runs: one explainer, one data set, one seed in, one result file out.

This is the only place that knows of devices, clocks and files at once. A run that fails is reported and the others go
on; what is finished stays; a command that was killed goes on where it was, with the same numbers.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout

from sembench.cost import peak_memory, tensor_count
from sembench.errors import DiskFull, FolderBusy, NotWritable, PluginBroken, SembenchError
from sembench.evaluation.evaluation import Evaluation
from sembench.explainers.configuration import json_of
from sembench.explainers.explainer import Explainer
from sembench.files import require_writable, write_atomically, writing
from sembench.metrics.applicability import offer
from sembench.metrics.scoring import not_applicable, score
from sembench.plugins.registry import METRICS
from sembench.results.result import Cost, Result, digest, write_result
from sembench.results.score import Score
from sembench.running.cache import Cache, tensors_sha256
from sembench.running.datasets import loader_of, one_per_dataset
from sembench.running.device import deterministic, device_of
from sembench.running.preparation import Fitted, Preparation, Prepared, Trained, recipe_of
from sembench.running.provenance import provenance_of
from sembench.running.timing import timing
from sembench.seeding import derive, isolated
from sembench.suites.plan import Run
from sembench.types import Capability, check_finite

if TYPE_CHECKING:
    from sembench.running.progress import PlainReporter


@dataclass
class Summary:
    """The runs that left a result, and those that did not, by name, with the reason."""

    finished: list[Run] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)


class Runner:
    """Makes runs and writes their results into a folder.

    Args:
        out: Folder of results; only one process at a time may write to it.
        cache: Store of trained backbones and fitted models.
        data_root: Folder of data sets.
        device: ``"cpu"``, ``"cuda"``, ``"mps"``.
        reporter: Takes what happens.

    Raises:
        SuiteInvalid: If the device is not there.
    """

    def __init__(self, out: Path, cache: Cache, data_root: Path, device: str, reporter: PlainReporter) -> None:
        self.out = out
        self.device = device_of(device)
        self.reporter = reporter
        self.preparation = Preparation(cache, data_root, self.device, reporter.note)
        self._unprepared: dict[str, SembenchError] = {}

    def run(self, runs: Iterable[Run]) -> Summary:
        """Makes runs in their order.

        Raises:
            UnknownName, SuiteInvalid: If a recipe does not take its hyper-parameters, or a data set its options;
                nothing has run then.
            FolderBusy: If another process writes to the folder.
            NotWritable: If nobody can; nothing has run then.
            DiskFull: If there is no room left; results written before are kept.
        """
        runs = list(runs)
        for run in runs:
            with suppress(PluginBroken):  # reported as the failure of its own runs, below
                recipe_of(run)
        for run in one_per_dataset(runs):
            with suppress(PluginBroken):
                loader_of(run)
        summary = Summary()
        with _locked(self.out), deterministic(self.device):
            for run in runs:
                started = time.perf_counter()
                try:
                    require_writable(run.path(self.out).parent)  # before anything is trained for it
                    with isolated(derive(run.seed, run.data.name, "global streams")):
                        result = self._run(run)
                    write_result(self.out, result)
                except DiskFull:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever a plugin does, the other runs go on
                    summary.failed[run.name] = error
                    self.reporter.failed(run, error)
                    self._keep_traceback(run)
                else:
                    _failure_path(self.out, run).unlink(missing_ok=True)
                    summary.finished.append(run)
                    self.reporter.finished(run, result, time.perf_counter() - started)
        return summary

    def _keep_traceback(self, run: Run) -> None:
        """Writes the traceback of the error that is being handled beside the run's result, or notes that it cannot."""
        try:
            write_atomically(_failure_path(self.out, run), traceback.format_exc().encode())
        except NotWritable as error:
            self.reporter.note(f"the traceback of {run.name} is lost: {error}")

    def _run(self, run: Run) -> Result:
        def report(text: str) -> None:
            self.reporter.phase(run, text)

        metrics = [METRICS.get(name) for name in run.metrics]
        prepared = self._prepared(run, report)
        recipe, trained = prepared.recipe, prepared.trained
        offered = offer(recipe, trained.backbone, prepared.dataset.supports)
        if offered.obstacle is not None:
            none: dict[str, Score] = {metric.name: not_applicable(metric, offered.obstacle) for metric in metrics}
            return self._result(prepared, None, none, _cost(recipe, trained, self.device))
        fitted = self.preparation.model(prepared, report)
        report("evaluating")
        check_finite("prototypes", fitted.model.prototypes.vectors, run.entry)
        evaluation = Evaluation(fitted.model, trained.reference, run.entry)
        with evaluation.counter:
            scores = score(offered, metrics, evaluation)
            timed = timing(evaluation, explains=Capability.ATTRIBUTION in offered.offered)
        trained.require_untouched(run.entry)
        counted = {"evaluation_passes": evaluation.counter.passes, "evaluation_images": evaluation.counter.images}
        return self._result(prepared, fitted, scores, _cost(recipe, trained, self.device, fitted, **timed, **counted))

    def _prepared(self, run: Run, report: Callable[[str], None]) -> Prepared:
        """The run with data and black box. What failed for one run is not tried again for those that share both."""
        recipe_of(run)
        shared = digest({**run.settings, "explainer": None, "metrics": None, "evaluation": None})
        if shared in self._unprepared:
            raise self._unprepared[shared]
        try:
            return self.preparation.prepared(run, report)
        except DiskFull:
            raise
        except SembenchError as error:
            self._unprepared[shared] = error
            raise

    def _result(self, prepared: Prepared, fitted: Fitted | None, scores: dict[str, Score], cost: Cost) -> Result:
        run, recipe, trained = prepared.run, prepared.recipe, prepared.trained
        return Result(
            suite=run.suite,
            dataset=run.dataset,
            explainer=run.entry,
            kind=recipe.kind,
            seed=run.seed,
            identity=run.identity,
            settings=run.settings,
            hyperparameters=json_of(recipe),
            explained_images=tuple(trained.reference.sample.indices.tolist()),
            scores=scores,
            cost=cost,
            provenance=provenance_of(
                run,
                prepared.dataset,
                backbone_sha256=trained.sha256,
                backbone_training=trained.settings,
                model_sha256=tensors_sha256({} if fitted is None else fitted.model.fitted_state()),
                device=self.device,
                exceptions=recipe.exceptions,
                notes=prepared.dataset.notes + trained.notes,
                network=trained.network,
            ),
        )


def _cost(
    recipe: Explainer, trained: Trained, device: torch.device, fitted: Fitted | None = None, **measured: Any
) -> Cost:
    """Costs of a run; without a fitted model no pass was made."""
    model = trained.backbone if fitted is None else fitted.model
    nothing = dict.fromkeys(("predict_seconds_per_image", "explain_seconds_per_image", "explain_images"))
    return Cost(
        **{**nothing, "evaluation_passes": 0, "evaluation_images": 0, **measured},
        backbone_seconds=trained.seconds,
        fit_seconds=0.0 if fitted is None else fitted.seconds,
        fit_passes=0 if fitted is None else fitted.passes,
        fit_images=0 if fitted is None else fitted.images,
        peak_memory_bytes=peak_memory(device),
        parameters=tensor_count(dict(model.state_dict())),
        own_parameters=0 if fitted is None else tensor_count(fitted.model.fitted_state()),
        hyperparameters=len(recipe.hyperparameters()),
    )


def _failure_path(root: Path, run: Run) -> Path:
    """Place of the traceback of a failed run, beside its result; removed once the run succeeds."""
    return run.path(root).with_suffix(".error.txt")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this process. Raises `FolderBusy` at once if another one does, or `NotWritable`."""
    require_writable(folder)
    lock = FileLock(folder / ".lock", blocking=False)
    with writing(folder / ".lock"):
        try:
            lock.acquire()
        except Timeout as error:
            raise FolderBusy(
                f"another process is writing to {folder}. Wait for it, or give this one a folder of its own with --out."
            ) from error
    try:
        yield
    finally:
        lock.release()
