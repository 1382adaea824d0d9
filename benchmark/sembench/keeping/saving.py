"""Fitted explainers in a folder: tensors (safetensors) and their description (JSON); nothing in it is executed.

``model.json`` describes explainer, network, data and preparation of images; ``tensors.safetensors`` holds the weights
of the network, the state of the fitted model, a picture of each prototype, and the answers on two images of noise. A
model that is loaded must give these answers again: other code under the same name is found out.
"""

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from sembench import __version__
from sembench.backbones.backbone import Backbone, freeze
from sembench.data.facts import DataFacts
from sembench.errors import ModelDamaged, NotOffered, NotWritable, SembenchError, in_one_line
from sembench.explainers.configuration import recipe
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.figures.portraits import Portraits
from sembench.files import write_atomically
from sembench.keeping.explained import AskedExplainer
from sembench.keeping.exporting import export
from sembench.metrics.applicability import offer
from sembench.results.result import wrong_fields
from sembench.running.black_box import Rescaling, brought, remade, rescalings
from sembench.running.cache import tensors_sha256
from sembench.running.device import deterministic, device_of
from sembench.running.preparation import json_of
from sembench.suites.suite import BackboneSpec, ExplainerSpec
from sembench.suites.values import holds
from sembench.types import Capability, Trait

FORMAT: Final = 1
MANIFEST, TENSORS = "model.json", "tensors.safetensors"
_TOLERANCE = 1e-3  # of the largest answer, or of 1; another processor rounds otherwise, another network differs more
_ANSWERS = ("logits", "class_scores", "similarities")


class Manifest(BaseModel):
    """The content of ``model.json``.

    Attributes:
        format: Version of this form.
        sembench: Version of the package that wrote it.
        torch: Version of torch that it was written with.
        created: When, ISO 8601.
        name: Name of the entry.
        explainer: The explainer by its registered name, and the hyper-parameters that were given.
        hyperparameters: All hyper-parameters, defaults resolved.
        data: The data set's classes, and how its images are prepared.
        data_sha256: Hash of the data set that it was fitted to.
        network: What a suite says of the network; ``None`` for one made by hand.
        given: Why the network has to be given when the model is loaded; empty where it is made by its name.
        rescaled: Steps in front of the network, from one normalisation to another, in the order they were added.
        lacks: Traits that the network lacks, and why.
        decoded: Whether the model decodes the pictures of its prototypes itself.
        tensors_sha256: Hash of all tensors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    sembench: str
    torch: str
    created: str
    name: str
    explainer: ExplainerSpec
    hyperparameters: dict[str, JsonValue]
    data: DataFacts
    data_sha256: str
    network: BackboneSpec | None
    given: str
    rescaled: tuple[Rescaling, ...]
    lacks: dict[Trait, str]
    decoded: bool
    tensors_sha256: str


class KeptExplainer(AskedExplainer):
    """A fitted explainer that can be saved.

    Attributes:
        recipe: Its hyper-parameters.
        spec: Its registered name and the hyper-parameters that were given; ``None`` if it was fitted from a recipe.
    """

    recipe: Explainer
    spec: ExplainerSpec | None

    @property
    @abstractmethod
    def data_sha256(self) -> str:
        """Hash of the data set that it was fitted to."""

    def __repr__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.recipe.hyperparameters().items())
        return f"<{type(self).__name__} {self.name} on {self.facts.name}: {type(self.recipe).__name__}({given})>"

    def save(self, folder: Path | str, *, pictures: bool = True) -> Path:
        """Saves the explainer with its network, to be loaded by `sembench.load`.

        Args:
            folder: Made if it is not there; must not hold a model yet.
            pictures: Whether a picture of each prototype goes with it: mostly training images, under their licence.

        Returns:
            The folder.

        Raises:
            NotWritable, DiskFull: If the folder holds a model, or cannot be written to.
            NotOffered: If the explainer is not registered under a name by which it could be found again.
        """
        folder = Path(folder)
        if (folder / MANIFEST).exists():
            raise NotWritable(f"{folder} holds a model already. Name another folder.")
        if self.spec is None:
            raise NotOffered(
                f"{self.name} was fitted from a recipe object, which cannot be found again by a name. Register it "
                "(EXPLAINERS.register) and fit it by its name, Workbench.fit('name', ...), to save it."
            )
        tensors = {f"network.{key}": value for key, value in self.backbone.state_dict().items()}
        tensors |= {f"model.{key}": value for key, value in self.model.fitted_state().items()}
        shown = self.portraits if pictures and Capability.SIMILARITIES in self.supports else None
        if shown is not None:
            tensors |= {"portraits.images": shown.images, "portraits.origins": shown.origins}
            tensors |= {"portraits.frames": shown.frames}
        tensors |= {f"answers.{key}": value for key, value in answers(self.model, self.backbone, self.facts).items()}
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        spec, given = _by_name(self, tensors)
        manifest = Manifest(
            sembench=__version__, torch=torch.__version__, created=datetime.now(UTC).isoformat(timespec="seconds"),
            name=self.name, explainer=self.spec, hyperparameters=json_of(self.recipe), data=self.facts,
            data_sha256=self.data_sha256, network=spec, given=given, rescaled=rescalings(self.backbone),
            lacks=self.backbone.lacks, decoded=shown is not None and shown.decoded,
            tensors_sha256=tensors_sha256(tensors),
        )  # fmt: skip
        write_atomically(folder / TENSORS, safetensors.torch.save(tensors))
        write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
        return folder

    def export(self, file: Path | str) -> Path:
        """Exports the decision path to a file; see `sembench.keeping.exporting.export`."""
        return export(self, file)


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


def answers(model: SelfExplainableModel, backbone: Backbone, facts: DataFacts) -> dict[str, Tensor]:
    """Logits of the network, class scores and similarities of the model, on two images of noise."""
    device, source = backbone.device, torch.Generator().manual_seed(0)
    noise = torch.rand((2, 3, facts.image_size, facts.image_size), generator=source)
    with torch.no_grad(), deterministic(device):
        images = facts.normalisation(noise).to(device)
        said = model(images)
        found = backbone(images), said.class_scores, said.similarities
    return dict(zip(_ANSWERS, found, strict=True))


def _by_name(kept: KeptExplainer, tensors: Mapping[str, Tensor]) -> tuple[BackboneSpec | None, str]:
    """What is said of the network, and why it cannot be made by its name alone; that is tried."""
    if kept.backbone.spec is None:
        return None, "the network is a Backbone that was made by hand"
    spec = kept.backbone.spec.changed(weights="none", weights_sha256=None)
    try:
        network = remade(spec, len(kept.facts.classes), kept.facts.image_size, rescalings(kept.backbone))
        _with_weights(network, tensors)
        with deterministic(torch.device("cpu")):
            _require_answers(kept.recipe, network, kept.facts, tensors)
    except SembenchError as error:
        return spec, f"the network {spec.name!r} cannot be made by its name alone ({in_one_line(error)})"
    return spec, ""


def _with_weights(backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
    try:
        backbone.load_state_dict(_part(tensors, "network."))
    except RuntimeError as error:
        raise ModelDamaged(f"the saved weights do not fit the network: {in_one_line(error)}.") from error
    freeze(backbone)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _require_answers(
    made: Explainer, backbone: Backbone, facts: DataFacts, tensors: Mapping[str, Tensor]
) -> SelfExplainableModel:
    """The fitted model on its network. Raises `ModelDamaged` if it does not answer as it did when it was saved."""
    try:
        model = made.restore(backbone, _part(tensors, "model.")).to(backbone.device).eval()
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelDamaged(f"the saved state does not fit the explainer: {in_one_line(error)}.") from error
    for name, found in answers(model, backbone, facts).items():
        wanted = tensors[f"answers.{name}"]
        same = found.shape == wanted.shape
        scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
        apart = float((found.cpu() - wanted).abs().max()) if same and wanted.numel() else 0.0
        if not same or not apart <= _TOLERANCE * scale:
            raise ModelDamaged(
                f"it answers otherwise than when it was saved ({name} differ by {apart:.3g} of {scale:.3g}): the code "
                "of the network or of the explainer has changed, or another network was given."
            )
    return model


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
        _with_weights(backbone, tensors)
        backbone.lacks, backbone.spec = dict(manifest.lacks), manifest.network
        backbone.to(where)
        model = _require_answers(made, backbone, manifest.data, tensors)
    except ModelDamaged as error:
        raise ModelDamaged(
            f"{folder} cannot be used: {error} (Written by sembench {manifest.sembench} with torch {manifest.torch}.)"
        ) from error
    kept = _part(tensors, "portraits.")
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
        return brought(copy.deepcopy(network), manifest.network, classes, size, manifest.rescaled)
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
