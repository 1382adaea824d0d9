"""Loads explainers from folders that `sembench.keeping.saving` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone
from sembench.backbones.copying import copied
from sembench.data.facts import DataFacts
from sembench.errors import ModelDamaged, in_one_line
from sembench.explainers.configuration import json_of, recipe
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.figures.portraits import Portraits
from sembench.keeping.form import FORMAT, MANIFEST, TENSORS, Manifest, bare, part, require_answers, with_weights
from sembench.keeping.saving import KeptExplainer
from sembench.metrics.applicability import offer
from sembench.plugins.factory import is_factory
from sembench.results.result import wrong_fields
from sembench.running.black_box import given, remade, stated
from sembench.running.cache import tensors_sha256
from sembench.running.device import device_of
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


def load_folder(folder: Path, *, network: nn.Module | str | None = None, device: str = "cpu") -> SavedExplainer:
    """The explainer that was saved in a folder; explains as it did.

    Args:
        folder: As `KeptExplainer.save` wrote it.
        network: A network of your own with the structure that the saved one had: the module that was adapted, a
            `Backbone` made by hand, or ``"net.py:make"``. Its weights are replaced in a copy. Needed where the network
            is no registered one.
        device: Where the model goes.

    Raises:
        ModelDamaged: If the folder is not what was written, was written by a later sembench, or does not give the
            saved answers.
        UnknownName: If the explainer, or the network, is not registered here: load its plugin first.
    """
    where = device_of(device)
    manifest, tensors = _read(folder)
    try:
        return _assembled(manifest, tensors, network, where)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        said: Exception = ModelDamaged(f"what it holds does not go together: {in_one_line(error)}.")
        said.__cause__ = error
    except ModelDamaged as error:
        said = error
    raise ModelDamaged(
        f"{folder} cannot be used: {said} (Written by sembench {manifest.sembench} with torch {manifest.torch}.)"
    ) from said


def _assembled(
    manifest: Manifest, tensors: Mapping[str, Tensor], network: nn.Module | str | None, device: torch.device
) -> SavedExplainer:
    made = recipe(manifest.explainer.name, manifest.explainer.parameters, manifest.data.name)
    if json_of(made) != manifest.hyperparameters:
        raise ModelDamaged("the defaults of its explainer's hyper-parameters have changed since.")
    backbone = _network(manifest, network)
    with_weights(backbone, tensors)
    backbone.lacks, backbone.spec = dict(manifest.lacks), manifest.network
    backbone.attribution = manifest.attribution
    backbone.to(device)
    model = require_answers(made, backbone, manifest.data, tensors)
    offered = offer(made, backbone)
    return SavedExplainer(
        manifest.name, model, backbone, offered.capabilities, offered.lacks, made, manifest.explainer, manifest,
        _portraits(part(tensors, "portraits."), len(model.prototypes), manifest.decoded),
    )  # fmt: skip


def _portraits(kept: Mapping[str, Tensor], number: int, decoded: bool) -> Portraits:
    """The pictures of prototypes that were saved; none where there are none. Raises `ModelDamaged`."""
    if not kept:
        return Portraits(
            torch.zeros((number, 3, 1, 1), dtype=torch.uint8), torch.full((number,), -1),
            torch.full((number, 4), torch.nan), decoded=False,
        )  # fmt: skip
    images, origins, frames = (kept[name] for name in ("images", "origins", "frames"))
    if images.shape[:2] != (number, 3) or images.ndim != 4 or origins.shape != (number,) or frames.shape != (number, 4):
        raise ModelDamaged("the pictures of its prototypes are not one for each.")
    return Portraits(images, origins, frames, decoded)


def holds_model(folder: Path | str) -> bool:
    """Whether an explainer was saved in this folder."""
    return holds((Path(folder) / MANIFEST).is_file)


def _network(manifest: Manifest, network: nn.Module | str | None) -> Backbone:
    """The network with initial weights. What a folder names as code of a user's is never run unasked."""
    classes, size, spec = len(manifest.data.classes), manifest.data.image_size, manifest.network
    if isinstance(network, nn.Module):
        return given(copied(network, []), spec, classes, size, manifest.rescaled)
    if network is not None:
        named = stated(network) if spec is None else bare(spec).changed(name=network)
        return remade(named, classes, size, manifest.rescaled)
    if manifest.given or spec is None or is_factory(spec.name):
        reason = manifest.given or "the network is code of somebody's own"
        raise ModelDamaged(f'{reason}. Give it: sembench.load(folder, network=...), a module or "net.py:make".')
    return remade(bare(spec), classes, size, manifest.rescaled)


def _read(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """What lies in the folder, checked. Raises `ModelDamaged`."""
    path = folder / MANIFEST
    if not holds_model(folder):
        raise ModelDamaged(f"{folder} holds no model: there is no file {MANIFEST} in it.")
    try:
        text = path.read_bytes()
        content = json.loads(text)
        form = content.get("format") if isinstance(content, dict) else None
        if isinstance(form, int) and form > FORMAT:
            raise ModelDamaged(
                f"{path} has format {form}, of sembench {content.get('sembench')}; this sembench, "
                f"{version('sembench')}, reads up to {FORMAT}. Install a later one."
            )
        manifest = Manifest.model_validate(content)
        with safe_open(folder / TENSORS, "pt") as file:
            described = (file.metadata() or {}).get(MANIFEST)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except ValidationError as error:
        raise ModelDamaged(f"{path}: {wrong_fields(error, 'the model')}.") from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise ModelDamaged(f"{folder} holds no model that can be read: {in_one_line(error)}.") from error
    if tensors_sha256(tensors) != manifest.tensors_sha256 or described != sha256(text).hexdigest():
        raise ModelDamaged(f"{folder} is not what was saved: a checksum is another. Copy it once more.")
    return manifest, tensors
