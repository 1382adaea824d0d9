"""What does a cell need before it is measured? Its data set, its black box, its fitted model; stored or made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.feature_cache import Recollection
from sembench.cost import PassCounter, hardware_memory
from sembench.data.dataset import Dataset
from sembench.data.memory import remembering
from sembench.errors import CacheDamaged, ContractBroken, SuiteInvalid
from sembench.evaluation.reference import Reference, Settings
from sembench.explainers.configuration import recipe
from sembench.explainers.explainer import Conversion, Explainer, SelfExplainableModel, TrainedExplainer, draw_seed
from sembench.running.black_box import backbone_of
from sembench.running.cache import Cache, Facts, tensors_sha256
from sembench.running.datasets import loader_of
from sembench.seeding import derive, isolated
from sembench.suites.plan import UNKNOWN_SOURCE, Cell, sources
from sembench.training.classifier import Training, train_backbone
from sembench.training.stages import Forgetful, Precision, Session


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
        """The cell's data set. Raises `DataMissing`, `DataDamaged`, or `SuiteInvalid` if it does not take its options.

        What was found out about its files is kept beside the cache, in ``files.json``.
        """
        memo = f"{cell.settings['dataset']}"
        if self._dataset is None or self._dataset[0] != memo:
            load = loader_of(cell)
            report(f"loading {cell.dataset}")
            self._dataset = None
            with remembering(Facts(self.cache.root / "files.json")):
                data = load(self.data_root)
                report(f"{len(data.train):,} training and {len(data.test):,} test images, {data.sha256[:12]}")
            self._dataset = memo, data
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
        with isolated(derive(cell.seed, cell.named("dataset"), "backbone")):
            size, normalisation = dataset.train.image_size, dataset.train.normalisation
            backbone = backbone_of(key["backbone"], dataset.n_classes, image_size=size, normalisation=normalisation)
        backbone.to(self.device)
        slot = _Slot(self.cache, "backbone", key, self.note)
        weights, facts = slot.load() or self._train(cell, backbone, dataset, slot, report)
        backbone.load_state_dict(weights)
        freeze(backbone)
        backbone.recollection = Recollection(limit=hardware_memory() // 4)
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
        spec, training = (cast(dict[str, Any], cell.settings[key]) for key in ("backbone", "training"))
        return {
            "backbone": spec,
            "training": {**training, "epochs": 0} if spec.get("frozen") else training,
            "dataset": dataset.sha256,
            "seed": cell.seed,
            "source": sources(cell)["backbone"],
            "torch": torch.__version__,
            "device": self.device.type,
            **_augmentation(dataset),
        }

    def _train(
        self, cell: Cell, backbone: Backbone, dataset: Dataset, slot: _Slot, report: Callable[[str], None]
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Trains anew, or goes on from the last checkpoint; stores and returns the weights."""
        report("training the black box")
        session = Session(
            derive(cell.seed, cell.named("dataset"), "training"),
            _Slot(self.cache, "checkpoint", slot.key, self.note),
            lambda text: report(f"training the black box, {text}"),
        )
        train_backbone(backbone, dataset.train, Training(**slot.key["training"]), session)
        facts = {"seconds": session.seconds}
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
        base = None
        if isinstance(recipe, Conversion):
            base = self.model(_base_cell(cell, recipe), recipe.base, trained, dataset, report)
        key = self._model_key(cell, recipe, trained, dataset, base)
        lasting = key["source"] != UNKNOWN_SOURCE
        slot = _Slot(self.cache, "model", key, self.note)
        found = slot.load() if lasting else None
        if found is not None:
            state, facts = found
            return Fitted(recipe.restore(trained.backbone, state).to(self.device).eval(), **facts)
        report("fitting")
        source = torch.Generator().manual_seed(derive(cell.seed, cell.named("dataset"), "fit"))
        if isinstance(recipe, TrainedExplainer):
            checkpoint = _Slot(self.cache, "checkpoint", key, self.note) if lasting else Forgetful()
            session = Session(
                draw_seed(source), checkpoint, lambda text: report(f"training, {text}"), precision_of(cell)
            )
            model = recipe.resume(trained.backbone, dataset.train, session)
            facts = {"seconds": session.seconds, "passes": session.passes, "images": session.images}
        else:
            watched = trained.backbone if base is None else base.model
            with PassCounter(watched) as counter:
                started = clock(self.device)
                if base is not None and isinstance(recipe, Conversion):
                    model = recipe.convert(base.model, dataset.train, generator=source)
                else:
                    model = recipe.fit(trained.backbone, dataset.train, generator=source)
                seconds = clock(self.device) - started + counter.recalled_seconds
            facts = {"seconds": seconds, "passes": counter.passes, "images": counter.images}
        model.to(self.device).eval()
        trained.require_untouched(cell.entry)
        if lasting:
            slot.save(model.fitted_state(), facts)
            self.cache.discard("checkpoint", key)
        return Fitted(model, **facts)

    def _model_key(
        self, cell: Cell, recipe: Explainer, trained: Trained, dataset: Dataset, base: Fitted | None
    ) -> dict[str, Any]:
        """Everything that a fitted model depends on."""
        key = {
            "explainer": cell.named("explainer"),
            "hyperparameters": json_of(recipe),
            "source": sources(cell)["explainer"],
            "backbone": trained.sha256,
            "dataset": dataset.sha256,
            "seed": cell.seed,
        }
        if base is not None:
            key["base"] = tensors_sha256(base.model.fitted_state())
        if isinstance(recipe, TrainedExplainer):
            spec, here = cell.settings["backbone"], sources(cell)
            key |= {
                "architecture": spec,
                "engine": [here["backbone"], here["instrument"]],
                "torch": torch.__version__,
                "device": self.device.type,
                "precision": precision_of(cell),
                **_augmentation(dataset),
            }
        return key


def precision_of(cell: Cell) -> Precision:
    """Precision of the cell's trainings, see `sembench.training.stages.Session`."""
    training: Any = cell.settings["training"]
    return cast(Precision, training.get("precision", "float32"))


def _augmentation(dataset: Dataset) -> dict[str, str]:
    """What a training depends on beyond the data: its augmentation, if there is one."""
    augmentation = dataset.train.augmentation
    return {} if augmentation is None else {"augmentation": str(augmentation)}


def _base_cell(cell: Cell, recipe: Conversion) -> Cell:
    """The cell of the model that a conversion starts from: as if it were an entry of the suite."""
    explainer: dict[str, Any] = {"name": recipe.of, "parameters": json_of(recipe.base)}
    return replace(cell, entry=recipe.of, settings={**cell.settings, "explainer": explainer})


def recipe_of(cell: Cell) -> Explainer:
    """The recipe that a cell asks for, with its hyper-parameters; see `sembench.explainers.configuration.recipe`."""
    spec: Any = cell.settings["explainer"]
    return recipe(spec["name"], spec["parameters"], cell.named("dataset"))


def json_of(recipe: Explainer) -> dict[str, Any]:
    """A recipe's hyper-parameters as JSON has them: tuples become lists."""
    return {name: _json(value) for name, value in recipe.hyperparameters().items()}


def _json(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, (tuple, list)) else value


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


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms for this run: enforced on the CPU, preferred elsewhere."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
