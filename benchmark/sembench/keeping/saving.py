"""Saves fitted explainers in a folder, in the form of `sembench.keeping.form`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from sembench.errors import NotOffered, NotWritable, SembenchError, in_one_line
from sembench.explainers.explainer import Explainer
from sembench.files import write_atomically
from sembench.keeping.explained import AskedExplainer
from sembench.keeping.exporting import export
from sembench.keeping.form import MANIFEST, TENSORS, Manifest, answers, require_answers, with_weights
from sembench.plugins.factory import is_factory
from sembench.running.black_box import remade, rescalings
from sembench.running.cache import tensors_sha256
from sembench.running.device import deterministic
from sembench.running.preparation import json_of
from sembench.suites.suite import BackboneSpec, ExplainerSpec
from sembench.types import Capability


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
            sembench=version("sembench"), torch=torch.__version__, created=datetime.now(UTC).isoformat(timespec="seconds"),
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


def _by_name(kept: KeptExplainer, tensors: Mapping[str, Tensor]) -> tuple[BackboneSpec | None, str]:
    """What is said of the network, and why it cannot be made by its name alone; that is tried."""
    if kept.backbone.spec is None:
        return None, "the network is a Backbone that was made by hand"
    spec = kept.backbone.spec.changed(weights="none", weights_sha256=None)
    if is_factory(spec.name):
        return spec, f"the network is made by {spec.name}, code that is not run unasked"
    try:
        network = remade(spec, len(kept.facts.classes), kept.facts.image_size, rescalings(kept.backbone))
        with_weights(network, tensors)
        with deterministic(torch.device("cpu")):
            require_answers(kept.recipe, network, kept.facts, tensors)
    except SembenchError as error:
        return spec, f"the network {spec.name!r} cannot be made by its name alone ({in_one_line(error)})"
    return spec, ""
