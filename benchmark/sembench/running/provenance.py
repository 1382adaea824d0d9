"""Provenance of a result: versions, hashes, machine, seeds."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from sembench.cost import hardware
from sembench.data.dataset import Dataset
from sembench.results.result import Provenance
from sembench.seeding import derive
from sembench.suites.plan import Run

_PACKAGES = ("torch", "torchvision", "zennit", "scikit-learn", "numpy", "scipy", "pillow", "safetensors")


def provenance_of(
    run: Run,
    dataset: Dataset,
    *,
    backbone_sha256: str,
    backbone_training: dict[str, Any],
    model_sha256: str,
    device: torch.device,
    exceptions: Mapping[str, str],
    notes: tuple[str, ...],
    network: dict[str, str],
) -> Provenance:
    """Everything that a reader needs to repeat a run."""
    normalisation = dataset.train.normalisation
    purposes = ("backbone", "training", "fit")
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sembench=_version("sembench"),
        python=platform.python_version(),
        packages={name: _version(name) for name in _PACKAGES},
        sources={**run.sources, **network},
        dataset_sha256=dataset.sha256,
        dataset_statistics={"mean": normalisation.mean, "std": normalisation.std},
        dataset_sizes={"train": len(dataset.train), "test": len(dataset.test)},
        dataset_licence=dataset.licence,
        dataset_licence_open=dataset.open_licence,
        dataset_augmentation=str(dataset.train.augmentation or "none"),
        classes=dataset.n_classes,
        backbone_sha256=backbone_sha256,
        backbone_training=backbone_training,
        model_sha256=model_sha256,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        deterministic=torch.are_deterministic_algorithms_enabled()
        and not torch.is_deterministic_algorithms_warn_only_enabled(),
        batch_size=run.evaluation.batch_size,
        hardware=dict(hardware()),
        seeds={purpose: derive(run.seed, run.data.name, purpose) for purpose in purposes},
        exceptions=dict(exceptions),
        notes=notes,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
