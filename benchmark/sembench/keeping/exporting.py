"""The decision path of a fitted explainer as a program that runs with torch alone, without sembench."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sembench.data.facts import DataFacts
from sembench.errors import NotOffered, in_one_line
from sembench.explainers.explainer import SelfExplainableModel
from sembench.files import write_atomically
from sembench.keeping.explained import AskedExplainer
from sembench.types import Capability

FACTS = "sembench.json"
"""Name of the file inside an exported program that describes it."""

_TOLERANCE = 1e-4  # of the largest output, or of 1


class Decision(nn.Module):
    """From pixels to decisions, class probabilities and similarities, normalisation included.

    Args:
        model: The fitted model.
        facts: How its images are prepared.
        probabilities: Whether the model has class probabilities; its class scores take their place otherwise.
    """

    def __init__(self, model: SelfExplainableModel, facts: DataFacts, probabilities: bool) -> None:
        super().__init__()
        self.model = model
        self.probabilities = probabilities
        mean, std = (
            torch.tensor(values)[:, None, None] for values in (facts.normalisation.mean, facts.normalisation.std)
        )
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.mean: Tensor
        self.std: Tensor

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, 3, H, W)`` in [0, 1] to ``(B,)``, ``(B, C)`` and ``(B, P)``."""
        said = self.model((pixels - self.mean) / self.std)
        scores = self.model.class_probabilities(said) if self.probabilities else said.class_scores
        return said.predictions, scores, said.similarities


def export(explainer: AskedExplainer, file: Path | str) -> Path:
    """Writes the decision path of an explainer as a program of `torch.export`; see the documentation on production.

    The program takes pixels ``(B, 3, H, W)`` in [0, 1], of the data set's size, and gives the decided
    classes ``(B,)``, class probabilities ``(B, C)`` (class scores, for a method without probabilities) and similarities
    ``(B, P)``. It was held against the model.

    Args:
        explainer: A fitted or a loaded one.
        file: Where the program goes, as ``.pt2``.

    Returns:
        The file.

    Raises:
        NotOffered: If the model takes steps that cannot be exported; names the first.
        NotWritable, DiskFull: If the file cannot be written.
    """
    file, facts = Path(file), explainer.facts
    probabilities = Capability.PROBABILITIES in explainer.supports
    decision = copy.deepcopy(Decision(explainer.model, facts, probabilities)).to(explainer.backbone.device).eval()
    for tensor in (*decision.parameters(), *decision.buffers()):
        tensor.data = tensor.data.contiguous().clone()  # each in the order and the storage that a file has
    source = torch.Generator().manual_seed(0)
    pixels = torch.rand((3, 3, facts.image_size, facts.image_size), generator=source).to(explainer.backbone.device)
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(decision, (pixels[:2],), dynamic_shapes=({0: torch.export.Dim("images")},))
    except Exception as error:  # torch.export raises what it meets in the user's modules
        raise NotOffered(
            f"{explainer.name} cannot be exported by torch {torch.__version__}: {in_one_line(error)}."
        ) from error
    content, scores = BytesIO(), "probabilities" if probabilities else "class scores"
    described = {
        "explainer": explainer.name, "data": facts.name, "classes": facts.classes, "image_size": facts.image_size,
        "prototype_classes": explainer.model.prototypes.classes.tolist(),
        "input": "pixels (B, 3, H, W), float32 in [0, 1], RGB",
        "outputs": ["decided classes (B,)", f"{scores} (B, C)", "similarities (B, P)"],
    }  # fmt: skip
    torch.export.save(program, content, extra_files={FACTS: json.dumps(described, ensure_ascii=False)})
    _require_same(explainer.name, content, decision, pixels)
    write_atomically(file, content.getvalue())
    return file


def _require_same(name: str, content: BytesIO, decision: Decision, pixels: Tensor) -> None:
    """Raises `NotOffered` unless the program, read back, says what the model says, of one image and of several."""
    content.seek(0)
    with torch.no_grad():
        program: Any = torch.export.load(content).module()
        for images in (pixels, pixels[:1]):
            for found, wanted in zip(program(images), decision(images), strict=True):
                scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
                if wanted.numel() and not float((found - wanted).abs().max()) <= _TOLERANCE * scale:
                    raise NotOffered(f"{name} cannot be exported: the program gives other outputs than the model.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the logs of an attempt that may fail from being shown; what failed is said in the error."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
