"""What does a cell need before it is measured? Its data set, its black box, its fitted model; stored or made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.cache import Cache, tensors_sha256
from benchmark.cost import PassCounter
from benchmark.data.dataset import Dataset
from benchmark.errors import CacheDamaged, ContractBroken, SuiteInvalid
from benchmark.evaluation import Reference, Settings
from benchmark.explainer import Explainer, SelfExplainableModel
from benchmark.models.backbone import Backbone, freeze
from benchmark.models.training import Training, train_backbone
from benchmark.plan import UNKNOWN_SOURCE, Cell, sources
from benchmark.registry import BACKBONES, DATASETS, EXPLAINERS
from benchmark.seeding import derive, isolated


@dataclass(frozen=True)
class Trained:
    """A trained black box with what is known of it.

    Attributes:
        backbone: The network, frozen.
        sha256: Hash of its weights.
        reference: Its predictions and relevance maps, computed when first asked for.
        seconds: Time that its training took, s.
        recipe: Name, initial weights and training recipe.
    """

    backbone: Backbone
    sha256: str
    reference: Reference
    seconds: float
    recipe: dict[str, Any]

    def require_untouched(self, entry: str) -> None:
        """Raises `ContractBroken` if the weights are not what they were."""
        if tensors_sha256(self.backbone.state_dict()) != self.sha256:
            raise ContractBroken(f"{entry} changed the weights of the backbone that it was given; fit a copy.")


@dataclass(frozen=True)
class Fitted:
    """A fitted model and what its fit cost: seconds, forward passes and images."""

    model: SelfExplainableModel
    seconds: float
    passes: int
    images: int


@dataclass(frozen=True)
class _Slot:
    """One place in the cache; whoever reads it computes anew what is missing or damaged."""

    cache: Cache
    kind: str
    key: Mapping[str, Any]
    note: Callable[[str], None]

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


class Preparation:
    """Makes what cells need. The last data set and the last black box are kept in memory, since cells come grouped.

    Args:
        cache: Store of trained backbones and fitted models.
        data_root: Folder of data sets.
        device: Where models go.
        note: Takes what the user should know.
    """

    def __init__(self, cache: Cache, data_root: Path, device: torch.device, note: Callable[[str], None]) -> None:
        self.cache = cache
        self.data_root = data_root
        self.device = device
        self.note = note
        self._dataset: tuple[str, Dataset] | None = None
        self._trained: tuple[str, Trained] | None = None

    def dataset(self, cell: Cell, report: Callable[[str], None]) -> Dataset:
        """The cell's data set. Raises `DataMissing` or `DataDamaged`."""
        spec: Any = cell.settings["dataset"]
        memo = f"{spec}"
        if self._dataset is None or self._dataset[0] != memo:
            report(f"loading {cell.dataset}")
            options = {} if spec["image_size"] is None else {"image_size": spec["image_size"]}
            self._dataset = None
            self._dataset = memo, DATASETS.get(spec["name"])(self.data_root, **options)
        return self._dataset[1]

    def black_box(self, cell: Cell, dataset: Dataset, report: Callable[[str], None]) -> Trained:
        """The cell's black box, trained or from the cache, unharmed by the entry before.

        Raises:
            FitImpossible: If the training diverges.
            DiskFull: If there is no room for a checkpoint.
        """
        evaluation: Any = cell.settings["evaluation"]
        settings = Settings(**evaluation, batch_size=cell.batch_size)
        key = self._backbone_key(cell, dataset)
        memo = f"{key} {settings}"
        if self._trained is not None and self._trained[0] == memo:
            trained = self._trained[1]
            if tensors_sha256(trained.backbone.state_dict()) == trained.sha256:
                return trained
        self._trained = None
        with isolated(derive(cell.seed, cell.dataset, "backbone")):
            spec = key["backbone"]
            backbone: Backbone = BACKBONES.get(spec["name"])(dataset.n_classes, weights=spec["weights"])
        backbone.to(self.device)
        slot = _Slot(self.cache, "backbone", key, self.note)
        weights, facts = slot.load() or self._train(cell, backbone, dataset, slot, report)
        backbone.load_state_dict(weights)
        freeze(backbone)
        trained = Trained(
            backbone,
            tensors_sha256(backbone.state_dict()),
            Reference(backbone, dataset, cell.seed, settings),
            facts["seconds"],
            {**key["backbone"], **key["training"]},
        )
        self._trained = memo, trained
        return trained

    def _backbone_key(self, cell: Cell, dataset: Dataset) -> dict[str, Any]:
        """Everything that trained weights depend on."""
        return {
            "backbone": cell.settings["backbone"],
            "training": cell.settings["training"],
            "dataset": dataset.sha256,
            "seed": cell.seed,
            "source": sources(cell)["backbone"],
            "torch": torch.__version__,
            "device": self.device.type,
        }

    def _train(
        self, cell: Cell, backbone: Backbone, dataset: Dataset, slot: _Slot, report: Callable[[str], None]
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Trains anew, or goes on from the last checkpoint; stores and returns the weights."""
        report("training the black box")
        checkpoint = _Slot(self.cache, "checkpoint", slot.key, self.note)
        started = time.perf_counter()
        train_backbone(
            backbone,
            dataset.train,
            Training(**slot.key["training"]),
            seed=derive(cell.seed, cell.dataset, "training"),
            checkpoint=checkpoint,
            report=lambda text: report(f"training the black box, {text}"),
        )
        facts = {"seconds": time.perf_counter() - started}
        slot.save(backbone.state_dict(), facts)
        self.cache.discard("checkpoint", slot.key)
        return dict(backbone.state_dict()), facts

    def model(
        self, cell: Cell, recipe: Explainer, trained: Trained, dataset: Dataset, report: Callable[[str], None]
    ) -> Fitted:
        """The cell's model, fitted or from the cache, in evaluation mode.

        Code without a file, e.g. in a notebook, may change from one moment to the next: what it fits is not stored.

        Raises:
            FitImpossible: If the data does not allow the recipe.
            ContractBroken: If the fit changed the black box; nothing is stored then.
        """
        explainer: Any = cell.settings["explainer"]
        key = {
            "explainer": explainer["name"],
            "hyperparameters": json_of(recipe),
            "source": sources(cell)["explainer"],
            "backbone": trained.sha256,
            "dataset": dataset.sha256,
            "seed": cell.seed,
        }
        lasting = key["source"] != UNKNOWN_SOURCE
        slot = _Slot(self.cache, "model", key, self.note)
        found = slot.load() if lasting else None
        if found is not None:
            state, facts = found
            return Fitted(recipe.restore(trained.backbone, state).to(self.device).eval(), **facts)
        report("fitting")
        source = torch.Generator().manual_seed(derive(cell.seed, cell.dataset, "fit"))
        with PassCounter(trained.backbone) as counter:
            started = clock(self.device)
            model = recipe.fit(trained.backbone, dataset.train, generator=source).to(self.device).eval()
            seconds = clock(self.device) - started
        trained.require_untouched(cell.entry)
        facts = {"seconds": seconds, "passes": counter.passes, "images": counter.images}
        if lasting:
            slot.save(model.fitted_state(), facts)
        return Fitted(model, **facts)


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


def json_of(recipe: Explainer) -> dict[str, Any]:
    """A recipe's hyper-parameters as JSON has them: tuples become lists."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in recipe.hyperparameters().items()}


def clock(device: torch.device) -> float:
    """The time in s, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def device_of(name: str) -> torch.device:
    """A device by name. Raises `SuiteInvalid` if it cannot be used."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SuiteInvalid(f"device {name!r} cannot be used: {error}. 'cpu' always can.") from error
    return device
