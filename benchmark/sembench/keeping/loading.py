"""Loads explainers from folders that `sembench.keeping.saving` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from sembench import __version__
from sembench.backbones.backbone import Backbone
from sembench.backbones.copying import copied
from sembench.data.facts import DataFacts
from sembench.errors import ModelDamaged, SembenchError, in_one_line
from sembench.explainers.configuration import recipe
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.figures.portraits import Portraits
from sembench.keeping.form import FORMAT, MANIFEST, TENSORS, Manifest, part, require_answers, with_weights
from sembench.keeping.saving import KeptExplainer
from sembench.metrics.applicability import offer
from sembench.results.result import wrong_fields
from sembench.running.black_box import brought, remade
from sembench.running.cache import tensors_sha256
from sembench.running.device import device_of
from sembench.running.preparation import json_of
from sembench.suites.suite import ExplainerSpec
from sembench.suites.values import holds
from sembench.types import Capability, Trait


@dataclass(frozen=True, eq=False, repr=False)
class SavedExplainer(KeptExplainer):
    """An explainer that was loaded from a folder: it can be asked, exported, and saved again.

    Attributes:
        manifest: What the folder says of it.
    """

    name: str
    model: SelfExplainableModel
    backbone: Backbone
    supports: frozenset[Capability]
    lacks: Mapping[Capability | Trait, str]
    recipe: Explainer
    spec: ExplainerSpec | None
    manifest: Manifest
    kept_portraits: Portraits

    @property
    def facts(self) -> DataFacts:
        """Those of the data set that it was fitted to."""
        return self.manifest.data

    @property
    def data_sha256(self) -> str:
        """Hash of the data set that it was fitted to."""
        return self.manifest.data_sha256

    @property
    def portraits(self) -> Portraits:
        """A picture of each prototype, as far as they were saved."""
        return self.kept_portraits


def load_folder(folder: Path, *, network: nn.Module | None = None, device: str = "cpu") -> SavedExplainer:
    """The explainer that was saved in a folder; explains as it did.

    Args:
        folder: As `KeptExplainer.save` wrote it.
        network: A network of your own with the structure that the saved one had: the module that was adapted, or a
            `Backbone` made by hand. Its weights are replaced in a copy. Needed where it cannot be made by a name.
        device: Where the model goes.

    Raises:
        ModelDamaged: If the folder is not what was written, was written by a later sembench, or does not give the
            saved answers.
        UnknownName: If the explainer, or the network, is not registered here: load its plugin first.
    """
    where = device_of(device)
    manifest, tensors = _read(folder)
    try:
        made = recipe(manifest.explainer.name, manifest.explainer.parameters, manifest.data.name)
        if json_of(made) != manifest.hyperparameters:
            raise ModelDamaged("the defaults of its explainer's hyper-parameters have changed since.")
        backbone = _network(manifest, network, folder)
        with_weights(backbone, tensors)
        backbone.lacks, backbone.spec = dict(manifest.lacks), manifest.network
        backbone.to(where)
        model = require_answers(made, backbone, manifest.data, tensors)
    except ModelDamaged as error:
        raise ModelDamaged(
            f"{folder} cannot be used: {error} (Written by sembench {manifest.sembench} with torch {manifest.torch}.)"
        ) from error
    kept = part(tensors, "portraits.")
    number = len(model.prototypes)
    shown = Portraits(
        kept.get("images", torch.zeros((number, 3, 1, 1), dtype=torch.uint8)),
        kept.get("origins", torch.full((number,), -1)),
        kept.get("frames", torch.full((number, 4), torch.nan)),
        manifest.decoded,
    )
    offered = offer(made, backbone)
    return SavedExplainer(
        manifest.name, model, backbone, offered.capabilities, offered.lacks, made, manifest.explainer, manifest, shown
    )


def holds_model(folder: Path) -> bool:
    """Whether an explainer was saved in this folder."""
    return holds((folder / MANIFEST).is_file)


def _network(manifest: Manifest, network: nn.Module | None, folder: Path) -> Backbone:
    classes, size = len(manifest.data.classes), manifest.data.image_size
    if network is not None:
        return brought(copied(network, []), manifest.network, classes, size, manifest.rescaled)
    if manifest.given or manifest.network is None:
        raise ModelDamaged(f"{manifest.given}. Give it: sembench.load(folder, network=...).")
    try:
        return remade(manifest.network.beside(folder), classes, size, manifest.rescaled)
    except SembenchError as error:
        raise ModelDamaged(f"{error} Or give the network: sembench.load(folder, network=...).") from error


def _read(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """What lies in the folder, checked. Raises `ModelDamaged`."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content.get("format") if isinstance(content, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise ModelDamaged(
                f"{path} has format {version}, of sembench {content.get('sembench')}; this sembench ({__version__}) "
                f"reads up to {FORMAT}. Install a later one."
            )
        manifest = Manifest.model_validate(content)
        tensors = safetensors.torch.load((folder / TENSORS).read_bytes())
    except ValidationError as error:
        raise ModelDamaged(f"{path}: {wrong_fields(error, 'the model')}.") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelDamaged(f"{folder} holds no model that can be read: {in_one_line(error)}.") from error
    if tensors_sha256(tensors) != manifest.tensors_sha256:
        raise ModelDamaged(f"{folder / TENSORS} is not what was saved: its checksum is another. Copy it once more.")
    return manifest, tensors
