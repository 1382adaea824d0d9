"""Saves fitted explainers in a folder, in the form of `sembench.keeping.form`."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from sembench.errors import NotOffered, SembenchError, UnknownName, in_one_line
from sembench.explainers.configuration import json_of
from sembench.explainers.explainer import Explainer
from sembench.files import require_new, write_atomically, writing
from sembench.keeping.explained import AskedExplainer
from sembench.keeping.exporting import export
from sembench.keeping.form import ANSWERS, MANIFEST, TENSORS, Manifest, answers, bare, require_answers, with_weights
from sembench.plugins.factory import is_factory
from sembench.running.black_box import remade, rescalings
from sembench.running.cache import tensors_sha256
from sembench.running.device import deterministic
from sembench.suites.network import BackboneSpec
from sembench.suites.suite import ExplainerSpec
from sembench.types import Capability, check_finite


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
            folder: Made if it is not there; must be empty. It appears whole or not at all.
            pictures: Whether a picture of each prototype goes with it: mostly training images, under their licence.

        Returns:
            The folder.

        Raises:
            NotWritable, DiskFull: If the folder is not empty, or cannot be written to.
            NotOffered: If the explainer is not registered under a name by which it could be found again.
            ContractBroken: If it gives values that are not finite.
        """
        folder = Path(folder)
        require_new(folder)
        if self.spec is None:
            raise NotOffered(
                f"{self.name} was fitted from a recipe object, or with hyper-parameters that a suite cannot state; it "
                "could not be found again. Register it (EXPLAINERS.register), and fit it by its name with plain values."
            )
        tensors = {f"network.{key}": value for key, value in self.backbone.state_dict().items()}
        tensors |= {f"model.{key}": value for key, value in self.model.fitted_state().items()}
        shown = self.portraits if pictures and Capability.SIMILARITIES in self.supports else None
        if shown is not None:
            tensors |= {"portraits.images": shown.images, "portraits.origins": shown.origins}
            tensors |= {"portraits.frames": shown.frames}
        tensors |= {f"answers.{key}": value for key, value in answers(self.model, self.backbone, self.facts).items()}
        for key in ANSWERS:
            check_finite(key, tensors[f"answers.{key}"], self.name)
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        spec, given = _by_name(self, tensors)
        manifest = Manifest(
            sembench=version("sembench"), torch=torch.__version__, created=now,
            name=self.name, explainer=self.spec, hyperparameters=json_of(self.recipe), data=self.facts,
            data_sha256=self.data_sha256, network=spec, attribution=self.backbone.attribution, given=given,
            rescaled=rescalings(self.backbone),
            lacks=self.backbone.lacks, decoded=shown is not None and shown.decoded,
            tensors_sha256=tensors_sha256(tensors),
        )  # fmt: skip
        described = manifest.model_dump_json(indent=1).encode()
        content = safetensors.torch.save(tensors, {MANIFEST: sha256(described).hexdigest()})
        with writing(folder), tempfile.TemporaryDirectory(dir=_parent(folder), prefix=".saving-") as place:
            write_atomically(Path(place) / "whole" / TENSORS, content)
            write_atomically(Path(place) / "whole" / MANIFEST, described)
            if folder.is_dir():
                folder.rmdir()  # empty, or an error
            (Path(place) / "whole").rename(folder)
        return folder

    def export(self, file: Path | str) -> Path:
        """Exports the decision path to a file; see `sembench.keeping.exporting.export`."""
        return export(self, file)


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent


def _by_name(kept: KeptExplainer, tensors: Mapping[str, Tensor]) -> tuple[BackboneSpec | None, str]:
    """What is said of the network, and why it cannot be made by its name alone; that is tried."""
    if kept.backbone.spec is None:
        return None, "the network is a Backbone that was made by hand"
    spec = kept.backbone.spec
    if is_factory(spec.name):
        return spec, f"the network is made by {spec.name}, code that is not run unasked"
    try:
        network = remade(bare(spec), len(kept.facts.classes), kept.facts.image_size, rescalings(kept.backbone))
        with_weights(network, tensors)
        with deterministic(torch.device("cpu")):
            require_answers(kept.recipe, network, kept.facts, tensors)
    except SembenchError as error:
        said = "there is none of that name" if isinstance(error, UnknownName) else in_one_line(error)
        return spec, f"the network {spec.name!r} cannot be made by its name alone ({said})"
    return spec, ""
