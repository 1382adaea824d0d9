"""The form of a saved explainer: tensors (safetensors) and their description (JSON); nothing in it is executed.

``model.json`` describes explainer, network, data and preparation of images; ``tensors.safetensors`` holds the weights
of the network, the state of the fitted model, a picture of each prototype, and the answers on two images of noise. A
model that is loaded must give these answers again: other code under the same name is found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, JsonValue, model_validator
from torch import Tensor

from sembench.backbones.backbone import Backbone, freeze
from sembench.data.facts import DataFacts
from sembench.errors import ModelDamaged, in_one_line
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.running.black_box import Rescaling
from sembench.running.device import deterministic
from sembench.suites.network import BackboneSpec
from sembench.suites.suite import ExplainerSpec
from sembench.types import Trait

FORMAT: Final = 1
MANIFEST, TENSORS = "model.json", "tensors.safetensors"
_TOLERANCE = 1e-3  # of the largest answer; another processor rounds otherwise, another network differs more
ANSWERS = ("logits", "class_scores", "similarities")


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
        attribution: How its maps are made.
        given: Why the network has to be given when the model is loaded; empty where it is made by its name.
        rescaled: Steps in front of the network, from one normalisation to another, in the order they were added.
        lacks: Traits that the network lacks, and why.
        decoded: Whether the model decodes the pictures of its prototypes itself.
        tensors_sha256: Hash of all tensors. The file of tensors holds that of ``model.json``.
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
    attribution: str
    given: str
    rescaled: tuple[Rescaling, ...]
    lacks: dict[Trait, str]
    decoded: bool
    tensors_sha256: str

    @model_validator(mode="after")
    def _of_images(self) -> Manifest:
        data, numbers = self.data, (*self.data.normalisation.mean, *self.data.normalisation.std)
        if not 0 < data.image_size <= 4096 or not data.classes or len(set(data.classes)) != len(data.classes):
            raise ValueError("data needs a size of 1 to 4096 pixels, and classes of different names")
        if len(data.normalisation.mean) != 3 or len(data.normalisation.std) != 3 or not all(map(isfinite, numbers)):
            raise ValueError("the normalisation needs three finite means and standard deviations")
        return self


def bare(spec: BackboneSpec) -> BackboneSpec:
    """What is said of a network, without where its weights came from: those that were saved take their place."""
    return spec.changed(weights="none", weights_sha256=None)


def answers(model: SelfExplainableModel, backbone: Backbone, facts: DataFacts) -> dict[str, Tensor]:
    """Logits of the network, class scores and similarities of the model, on two images of noise."""
    device, source = backbone.device, torch.Generator().manual_seed(0)
    noise = torch.rand((2, 3, facts.image_size, facts.image_size), generator=source)
    with torch.no_grad(), deterministic(device):
        images = facts.normalisation(noise).to(device)
        said = model(images)
        found = backbone(images), said.class_scores, said.similarities
    return dict(zip(ANSWERS, found, strict=True))


def with_weights(backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
    """Gives a network its saved weights and freezes it. Raises `ModelDamaged` if they do not fit."""
    try:
        backbone.load_state_dict(part(tensors, "network."))
    except RuntimeError as error:
        said = " ".join(str(error).partition(":")[2].split())[:300]
        raise ModelDamaged(f"the saved weights do not fit the network: {said}.") from error
    freeze(backbone)


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def require_answers(
    made: Explainer, backbone: Backbone, facts: DataFacts, tensors: Mapping[str, Tensor]
) -> SelfExplainableModel:
    """The fitted model on its network. Raises `ModelDamaged` if it does not answer as it did when it was saved."""
    try:
        model = made.restore(backbone, part(tensors, "model.")).to(backbone.device).eval()
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelDamaged(f"the saved state does not fit the explainer: {in_one_line(error)}.") from error
    for name, found in answers(model, backbone, facts).items():
        wanted = tensors[f"answers.{name}"]
        same = found.shape == wanted.shape
        scale = float(wanted.abs().max()) if wanted.numel() else 0.0
        apart = float((found.cpu() - wanted).abs().max()) if same and wanted.numel() else 0.0
        if not same or not apart <= _TOLERANCE * scale:
            how = (
                f"differ by {apart:.3g} of {scale:.3g}"
                if same
                else f"are {tuple(found.shape)}, not {tuple(wanted.shape)}"
            )
            raise ModelDamaged(
                f"it answers otherwise than when it was saved ({name} {how}): the code "
                "of the network or of the explainer has changed, or another network was given."
            )
    return model
