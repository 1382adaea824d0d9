"""What is measured: every metric, every fit, relevance, curves, clustering, boards and the start of the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from places import RESULTS
from sembench.plugins.registry import METRICS
from stage import FITS, Stage
from units import own


@dataclass(frozen=True)
class Work:
    """Something to run again and again.

    Attributes:
        run: Does it once; returns numbers that must not change, or ``None``.
        network: The network whose passes are counted.
    """

    run: Callable[[], Tensor | None]
    network: nn.Module | None = None


Prepare = Callable[..., Work]
"""Makes a workload of a stage; that of the start takes a tree beside it."""


class LeftOut(Exception):
    """A workload that cannot run here; the message says why."""


def workloads() -> dict[str, Prepare]:
    """How each workload is prepared, by name. What preparing costs is not measured."""
    return dict(_workloads())


def _workloads() -> Iterator[tuple[str, Prepare]]:
    yield "forward passes", _forward
    yield "black-box relevance", _black_box_relevance
    yield "relevance-order curve", _curve
    for name in FITS:
        yield f"fit {name}", _bound(_fit, name)
    for name in FITS:
        yield f"explain {name}", _bound(_explain, name)
    for name in own(METRICS):
        yield f"metric {name}", _bound(_metric, name)
    yield "k-means on rows", _kmeans
    yield "rows kept", _rows
    yield "board", _board
    yield "start", _start


def _bound(prepare: Callable[[Stage, str], Work], name: str) -> Prepare:
    return lambda stage: prepare(stage, name)


def _forward(stage: Stage) -> Work:
    @torch.no_grad()
    def run() -> Tensor:
        return torch.cat([stage.backbone(b.images).amax(1) for b in stage.dataset.test.batches(50)])

    return Work(run, stage.backbone)


def _black_box_relevance(stage: Stage) -> Work:
    from sembench.relevance.propagation import black_box_relevance

    images = stage.images
    return Work(lambda: black_box_relevance(stage.backbone, images).sum((1, 2)), stage.backbone)


def _curve(stage: Stage) -> Work:
    from sembench.evaluation.perturbation import relevance_order_curve

    images, relevance, noise = stage.images, stage.reference.relevance("share"), stage.reference.noise

    @torch.no_grad()
    def predict(batch: Tensor) -> Tensor:
        probabilities: Tensor = stage.backbone(batch).softmax(1)
        return probabilities

    def run() -> Tensor:
        mean: Tensor = relevance_order_curve(predict, images, relevance, noise, steps=8).mean(0)
        return mean

    return Work(run, stage.backbone)


def _fit(stage: Stage, name: str) -> Work:
    return Work(lambda: stage.fit(name).prototypes.vectors.double().flatten(1).mean(1), stage.backbone)


def _explain(stage: Stage, name: str) -> Work:
    model, images = stage.model(name), stage.images
    return Work(lambda: model.attribute(images).detach().sum((1, 2)), model)


def _metric(stage: Stage, name: str) -> Work:
    metric = METRICS.get(name)
    reason = metric.absent()
    if reason is not None:
        raise LeftOut(reason)
    stage.prepare()
    return Work(lambda: stage.read(metric), stage.model("kmex"))


def _kmeans(stage: Stage) -> Work:
    from sembench_baselines.clustering import classwise_kmeans

    source = torch.Generator().manual_seed(0)
    points = [torch.randn(500, 32, generator=source) for _ in range(10)]

    def run() -> Tensor:
        seeds = torch.Generator().manual_seed(0)
        return classwise_kmeans(points, [5] * 10, flavour="kmeans", n_init=1, generator=seeds).vectors.mean(1)

    return Work(run)


def _rows(stage: Stage) -> Work:
    from sembench_baselines.clustering import RowSample

    labels = torch.arange(stage.training) % 10
    maps = torch.rand(stage.training, 64, 5, 5, generator=torch.Generator().manual_seed(0))

    def run() -> Tensor:
        sample = RowSample(labels, [5] * 10, 500, torch.Generator().manual_seed(0))
        for indices in torch.arange(stage.training).split(stage.settings.batch_size):
            sample.add(maps[indices], indices)
        return torch.stack([rows.mean() for rows in sample.per_class()])

    return Work(run)


def _board(stage: Stage) -> Work:
    if not RESULTS.is_dir():
        raise LeftOut("there are no committed results beside this installation of sembench")
    from sembench_leaderboard.board.board import board
    from sembench_leaderboard.entries.load import load

    def run() -> None:
        board(load([RESULTS]))

    return Work(run)


def _start(stage: Stage, tree: Path | None = None) -> Work:
    def run() -> None:
        modules_at_start(tree)

    return Work(run)


def modules_at_start(tree: Path | None = None) -> list[str]:
    """Names of the modules that `sembench --help` imports, in a process of its own.

    Args:
        tree: Folder that sembench is imported from; by default wherever this process would import it from.
    """
    places = [str(tree)] if tree else [path for path in sys.path if path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    code = (
        "import sys; from sembench.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stderr.split()
