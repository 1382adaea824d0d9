"""Prepares a run: its data set, its black box and its fitted model, from the cache or computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from torch import Tensor

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.feature_cache import FeatureCache
from sembench.cost import PassCounter, hardware_memory
from sembench.data.dataset import Dataset
from sembench.data.memory import remembering
from sembench.errors import ContractBroken
from sembench.evaluation.reference import Reference
from sembench.explainers.configuration import json_of, recipe
from sembench.explainers.explainer import Conversion, Explainer, SelfExplainableModel, TrainedExplainer, draw_seed
from sembench.plugins.factory import is_factory
from sembench.running.black_box import backbone_of, examined, network_sources
from sembench.running.cache import Cache, Slot, tensors_sha256
from sembench.running.datasets import loader_of
from sembench.running.device import clock
from sembench.running.plausibility import notes_on
from sembench.seeding import derive, generator, isolated
from sembench.suites.network import BackboneSpec
from sembench.suites.plan import Run
from sembench.suites.sources import UNKNOWN_SOURCE
from sembench.suites.suite import ExplainerSpec
from sembench.training.classifier import Training, train_backbone
from sembench.training.stages import NoCheckpoint, Session

Report = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """A trained black box.

    Attributes:
        backbone: The network, frozen.
        sha256: Hash of its weights.
        reference: Its predictions and relevance maps, computed when first asked for.
        seconds: Time that its training took, s.
        settings: Name, initial weights and training.
        notes: What a user should know before believing what is said of it.
        network: The hash of what a network of the user's comes with, as ``network``.
    """

    backbone: Backbone
    sha256: str
    reference: Reference
    seconds: float
    settings: dict[str, Any]
    notes: tuple[str, ...]
    network: dict[str, str]

    @property
    def untouched(self) -> bool:
        """Whether the weights are what they were."""
        return tensors_sha256(self.backbone.state_dict()) == self.sha256

    def require_untouched(self, entry: str) -> None:
        """Raises `ContractBroken` if the weights are not what they were."""
        if not self.untouched:
            raise ContractBroken(f"{entry} changed the weights of the backbone that it was given; fit a copy.")


@dataclass(frozen=True)
class Prepared:
    """A run with all that its explainer is fitted on: recipe, data set and black box."""

    run: Run
    recipe: Explainer
    dataset: Dataset
    trained: Trained


@dataclass(frozen=True)
class Fitted:
    """A fitted model and the cost of its fit: seconds, forward passes and images."""

    model: SelfExplainableModel
    seconds: float
    passes: int
    images: int


class Preparation:
    """Prepares runs. The last data set and the last black box are kept in memory, since runs come grouped.

    ``note`` takes what the user should know.
    """

    def __init__(self, cache: Cache, data_root: Path, device: torch.device, note: Report) -> None:
        self.cache = cache
        self.data_root = data_root
        self.device = device
        self.note = note
        self.networks: dict[BackboneSpec, dict[str, str]] = {}
        self._dataset: tuple[JsonValue, Dataset] | None = None
        self._trained: tuple[object, Trained] | None = None
        self._noted: set[str] = set()

    def prepared(self, run: Run, report: Report) -> Prepared:
        """A run with its data set and its black box.

        Raises:
            DataMissing, DataDamaged: If the data set is not there as published.
            SuiteInvalid: If data set or explainer does not take its options.
            FitImpossible: If the training of the black box diverges.
            DiskFull: If there is no room for a checkpoint.
        """
        made, dataset = recipe_of(run), self._dataset_of(run, report)
        return Prepared(run, made, dataset, self._black_box(run, dataset, report))

    def _dataset_of(self, run: Run, report: Report) -> Dataset:
        """The data set. What was found out about its files is kept beside the cache, in ``files.json``."""
        memo = run.settings["dataset"]
        if self._dataset is None or self._dataset[0] != memo:
            load = loader_of(run)
            report(f"loading {run.dataset}")
            self._dataset = None
            with remembering(self.cache.root / "files.json"):
                data = load(self.data_root)
                report(f"{len(data.train):,} training and {len(data.test):,} test images, {data.sha256[:12]}")
            self._note_once(run.dataset, data.notes)
            self._dataset = memo, data
        return self._dataset[1]

    def _note_once(self, about: str, notes: Iterable[str]) -> None:
        """Passes each note on, unless it was before: seeds share what is said of a frozen network or of a data set."""
        for text in (f"{about}: {note}" for note in notes):
            if text not in self._noted:
                self._noted.add(text)
                self.note(text)

    def _black_box(self, run: Run, dataset: Dataset, report: Report) -> Trained:
        """The black box, trained or from the cache, unharmed by the entry before."""
        key = self._backbone_key(run, dataset)
        memo = key, run.evaluation
        if self._trained is not None and self._trained[0] == memo and self._trained[1].untouched:
            return self._trained[1]
        self._trained = None
        with isolated(derive(run.seed, run.data.name, "backbone")):
            size, normalisation = dataset.train.image_size, dataset.train.normalisation
            backbone = backbone_of(run.backbone, dataset.n_classes, image_size=size, normalisation=normalisation)
        backbone.to(self.device)
        if run.backbone.frozen == "encoder":  # its maps stay what they are: what the head is trained on serves the fits
            backbone.feature_cache = FeatureCache(limit=hardware_memory() // 4)
        slot = Slot(self.cache, "backbone", key, self.note)
        weights, facts = slot.load() or self._train(run, backbone, dataset, slot, report)
        backbone.load_state_dict(weights)
        examined(freeze(backbone), dataset.train)
        backbone.feature_cache = backbone.feature_cache or FeatureCache(limit=hardware_memory() // 4)
        reference = Reference(backbone, dataset, run.seed, run.evaluation)
        spec = run.backbone
        brought = bool(spec.frozen) and (spec.weights != "none" or is_factory(spec.name))  # trained elsewhere
        assumed = brought and backbone.expects is None
        notes = notes_on(reference, assumed=assumed, brought=brought and spec.frozen is True)
        self._note_once(run.dataset, notes)
        sha256 = tensors_sha256(backbone.state_dict())
        settings = {**key["backbone"], **key["training"]}
        trained = Trained(backbone, sha256, reference, facts["seconds"], settings, notes, self._network(spec))
        self._trained = memo, trained
        return trained

    def _network(self, spec: BackboneSpec) -> dict[str, str]:
        """The hash of what the user's network comes with, found once."""
        if spec not in self.networks:
            self.networks[spec] = network_sources(spec)
        return self.networks[spec]

    def _backbone_key(self, run: Run, dataset: Dataset) -> dict[str, Any]:
        """Everything that trained weights depend on."""
        training = run.training.model_copy(update={"epochs": 0}) if run.backbone.frozen is True else run.training
        return {
            "backbone": run.backbone.settings(),
            "training": training.settings(),
            "dataset": dataset.sha256,
            "seed": run.seed,
            "source": run.sources["backbone"],
            **self._network(run.backbone),
            "torch": torch.__version__,
            "device": self.device.type,
            **_augmentation(dataset),
        }

    def _train(
        self, run: Run, backbone: Backbone, dataset: Dataset, slot: Slot, report: Report
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Trains from the start or from the last checkpoint; stores and returns the weights."""
        head_only, epochs = run.backbone.frozen == "encoder", slot.key["training"]["epochs"]
        what = f"training the {'linear layer of the ' * head_only}black box"
        report(what if epochs else "taking the black box as it comes, without a training")
        checkpoint = replace(slot, kind="checkpoint")
        seed = derive(run.seed, run.data.name, "training")
        session = Session(seed, checkpoint, lambda text: report(f"{what}, {text}"))
        train_backbone(backbone, dataset.train, Training(**slot.key["training"]), session, head_only=head_only)
        facts = {"seconds": session.seconds}
        slot.save(backbone.state_dict(), facts)
        checkpoint.discard()
        return dict(backbone.state_dict()), facts

    def model(self, prepared: Prepared, report: Report) -> Fitted:
        """The run's model, fitted or from the cache, in evaluation mode.

        Code without a file, e.g. in a notebook, may change from one moment to the next: what it fits is not stored.

        Raises:
            FitImpossible: If the data does not allow the recipe.
            ContractBroken: If the fit changed the black box; nothing is stored then.
        """
        made, trained = prepared.recipe, prepared.trained
        base = None
        if isinstance(made, Conversion):  # its base is fitted as if it were an entry of the suite
            spec = ExplainerSpec(name=made.of, parameters=json_of(made.base))
            run = replace(prepared.run, explainer=spec)
            base = self.model(replace(prepared, run=run, recipe=made.base), report)
        key = self._model_key(prepared, base)
        slot = Slot(self.cache, "model", key, self.note) if key["source"] != UNKNOWN_SOURCE else None
        found = slot.load() if slot is not None else None
        if found is not None:
            state, facts = found
            return Fitted(made.restore(trained.backbone, state).to(self.device).eval(), **facts)
        report("fitting")
        checkpoint = replace(slot, kind="checkpoint") if slot is not None else NoCheckpoint()
        fitted = self._fitted(prepared, base, checkpoint, report)
        fitted.model.to(self.device).eval()
        trained.require_untouched(prepared.run.entry)
        if slot is not None:
            facts = {"seconds": fitted.seconds, "passes": fitted.passes, "images": fitted.images}
            slot.save(fitted.model.fitted_state(), facts)
            replace(slot, kind="checkpoint").discard()
        return fitted

    def _fitted(
        self, prepared: Prepared, base: Fitted | None, checkpoint: Slot | NoCheckpoint, report: Report
    ) -> Fitted:
        run, made, backbone, train = prepared.run, prepared.recipe, prepared.trained.backbone, prepared.dataset.train
        source = generator(run.seed, run.data.name, "fit")
        if isinstance(made, TrainedExplainer):
            session = Session(
                draw_seed(source), checkpoint, lambda text: report(f"training, {text}"), run.training.precision
            )
            model = made.resume(backbone, train, session)
            return Fitted(model, session.seconds, session.passes, session.images)
        with PassCounter(backbone if base is None else base.model) as counter:
            started = clock(self.device)
            if base is not None and isinstance(made, Conversion):
                model = made.convert(base.model, train, generator=source)
            else:
                model = made.fit(backbone, train, generator=source)
            seconds = clock(self.device) - started + counter.recalled_seconds
        return Fitted(model, seconds, counter.passes, counter.images)

    def _model_key(self, prepared: Prepared, base: Fitted | None) -> dict[str, Any]:
        """Everything that a fitted model depends on."""
        run, dataset = prepared.run, prepared.dataset
        key = {
            "explainer": run.explainer.name,
            "hyperparameters": json_of(prepared.recipe),
            "source": run.sources["explainer"],
            "backbone": prepared.trained.sha256,
            "network": [run.backbone.settings(), run.sources["backbone"], prepared.trained.network],
            "dataset": dataset.sha256,
            "seed": run.seed,
        }
        if base is not None:
            key["base"] = tensors_sha256(base.model.fitted_state())
        if isinstance(prepared.recipe, TrainedExplainer):
            key |= {
                "engine": run.sources["instrument"],
                "torch": torch.__version__,
                "device": self.device.type,
                "precision": run.training.precision,
                **_augmentation(dataset),
            }
        return key


def _augmentation(dataset: Dataset) -> dict[str, str]:
    """What a training depends on beyond the data: its augmentation, if there is one."""
    augmentation = dataset.train.augmentation
    return {} if augmentation is None else {"augmentation": str(augmentation)}


def recipe_of(run: Run) -> Explainer:
    """The recipe that a run asks for, with its hyper-parameters; see `sembench.explainers.configuration.recipe`."""
    return recipe(run.explainer.name, run.explainer.parameters, run.data.name)
