"""The explanation of a new image, as text, JSON and picture."""

from __future__ import annotations

import json
import re
import threading
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sembench.data.facts import NewImage, one_by_one
from sembench.data.seeing import printable
from sembench.errors import NotOffered
from sembench.figures.likeness import (
    ROW,
    SIDE,
    STEP,
    WORDS,
    Likeness,
    Map,
    amount,
    caption,
    draw_image,
    draw_prototypes,
    likenesses,
)
from sembench.figures.overlay import overlay
from sembench.figures.picture import Picture, styled
from sembench.figures.portraits import Portraits
from sembench.figures.subject import FittedModel, as_pixels
from sembench.files import write_atomically
from sembench.running.device import deterministic
from sembench.types import Batch, Capability, Explanation

_ONE_AT_A_TIME = threading.RLock()  # deterministic mode, and what relevance keeps of a network, are of the process
_AT_ONCE = 16  # images that are explained in one batch
_LIKELY = 5  # classes that text lists
_FIRST = WORDS + 2 * SIDE + 0.48  # from the left to the first prototype: words, image, class map, "looks like"


@dataclass(frozen=True, eq=False)
class ExplainedImage:
    """What an explainer says of an image; printed, it is text; in a notebook, a picture.

    Attributes:
        name: The file that it came from, or its position among the images given.
        pixels: The image as the model saw it, ``(H, W, 3)`` in [0, 1].
        decision: The decided class, the most similar prototypes, how similar they are, and their maps.
        probabilities: Of the classes, ``(C,)``; ``None`` where the method has none.
        relevance: The class map ``(H, W)``, signed; ``None`` where the method has none.
        notes: What a reader should know: which map stands in for another, why there is none.
        explainer: Whose explanation it is.
    """

    name: str
    pixels: NDArray[np.float32]
    decision: Likeness
    probabilities: NDArray[np.float64] | None
    relevance: Map | None
    notes: tuple[str, ...]
    explainer: AskedExplainer

    @property
    def prediction(self) -> str:
        """Name of the decided class."""
        return self.explainer.facts.classes[self.decision.prediction]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.prediction}"]
        if self.probabilities is not None:
            best = (-self.probabilities).argsort(kind="stable")[:_LIKELY]
            names = self.explainer.facts.classes
            lines.append("  probabilities: " + ", ".join(f"{names[k]} {self.probabilities[k]:.3f}" for k in best))
        for index, similarity in zip(self.decision.prototypes, self.decision.similarities, strict=True):
            lines.append(
                f"  looks like prototype {index} ({self._class_of(index)}): {amount(self.explainer, similarity)}"
            )
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return f"<{self}>"

    def _class_of(self, prototype: int) -> str:
        label = int(self.explainer.model.prototypes.classes[prototype])
        return "no class in particular" if label < 0 else self.explainer.facts.classes[label]

    def to_json(self, *, maps: bool = True) -> dict[str, Any]:
        """The explanation as JSON has it; maps, if they are wanted, as rows of numbers."""
        decided, classes = self.decision, self.explainer.facts.classes
        prototypes: list[dict[str, Any]] = []
        for place, index in enumerate(decided.prototypes):
            name = "share_of_cells" if self.explainer.model.points == "cell" else "similarity"
            found = {"prototype": index, "class": self._class_of(index), name: decided.similarities[place]}
            if maps and decided.maps is not None:
                found["map"] = decided.maps[place].tolist()
            prototypes.append(found)
        said: dict[str, Any] = {
            "image": self.name, "explainer": self.explainer.name, "prediction": self.prediction,
            "label": decided.prediction, "prototypes": prototypes, "notes": list(self.notes),
        }  # fmt: skip
        if self.probabilities is not None:
            said["probabilities"] = dict(zip(classes, self.probabilities.tolist(), strict=True))
        if maps and self.relevance is not None:
            said["map"] = self.relevance.tolist()
        return said

    @styled
    def draw(self) -> Picture:
        """The image, its class map, and the prototypes that it is like, each with its map over the image."""
        fitted, decision = self.explainer, self.decision
        said = caption([decision], fitted.portraits) if decision.prototypes else []
        map_said = "Beside the image, its class map: what speaks for the decided class, orange, and against, blue."
        said = [*[map_said] * (self.relevance is not None), *said, *self.notes]
        width = _FIRST + len(decision.prototypes) * STEP - 0.2
        picture = Picture(width, ROW, f"{fitted.name} on {self.name}", list(dict.fromkeys(said)))
        words = f"says {fitted.class_name(decision.prediction, 20)}"
        if self.probabilities is not None:
            words += f"\nprobability {self.probabilities[decision.prediction]:.3f}"
        picture.write(0, SIDE / 2, words, size=9, va="center")
        draw_image(picture, self.pixels, (WORDS, 0), "image", wrong=False)
        if self.relevance is not None:
            picture.show_image(WORDS + SIDE + 0.03, 0, SIDE, overlay(self.pixels, self.relevance), label="class-map")
        if decision.prototypes:
            draw_prototypes(picture, fitted, decision, fitted.portraits, self.pixels, (_FIRST, 0), "image")
        return picture

    def _repr_png_(self) -> bytes:
        return self.draw().rendered("png")

    def write_files(self, folder: Path, name: str) -> list[Path]:
        """Writes ``<name>.png``, ``.svg`` and ``.json`` into a folder. Raises `DiskFull` or `NotWritable`."""
        path = folder / f"{name}.json"
        write_atomically(path, json.dumps(self.to_json(), ensure_ascii=False).encode())
        return [*self.draw().write_files(folder, name), path]


def _printed(path: Path | str) -> str:
    """A file's name as text can have it: odd bytes and control characters are written as numbers."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found.group()):02x}", printable(path))


class AskedExplainer(FittedModel):
    """A fitted explainer that can be asked about any image."""

    @property
    @abstractmethod
    def portraits(self) -> Portraits:
        """A picture of each prototype. Raises `NotOffered` for a model without similarities to prototypes."""

    @overload
    def explain(self, images: Batch) -> Explanation: ...

    @overload
    def explain(self, images: Path | str | Image.Image, prototypes: int = 3) -> ExplainedImage: ...  # type: ignore[overload-overlap]

    @overload
    def explain(self, images: NDArray[Any] | Tensor, prototypes: int = 3) -> ExplainedImage | list[ExplainedImage]: ...

    @overload
    def explain(self, images: Sequence[NewImage], prototypes: int = 3) -> list[ExplainedImage]: ...

    def explain(
        self, images: Batch | NewImage | Sequence[NewImage], prototypes: int = 3
    ) -> Explanation | ExplainedImage | list[ExplainedImage]:
        """The explanation of an image that is new to the model, prepared as those of its data set are.

        Args:
            images: A path, a Pillow image, an array ``(H, W)`` or ``(H, W, 3)``, or a tensor ``(1 or 3, H, W)``; uint8
                or floats in [0, 1], of any size, not normalised. Several, as a sequence or as ``(N, ...)``, give a
                list. A `Batch` of the data set, which is normalised, gives the model's bare `Explanation`.
            prototypes: How many of the most similar prototypes are named, each with a map of its own.

        Returns:
            Costs one forward pass, and an attribution for the class and for each of these prototypes.

        Raises:
            DataDamaged: If something is no image, or of another shape, type or range.
            ContractBroken: If an explanation breaks the contract.
            ValueError: If ``prototypes`` is no number of prototypes.
        """
        if isinstance(images, Batch):
            return super().explain(images)
        if not isinstance(prototypes, int) or prototypes < 0:
            raise ValueError(f"prototypes is {prototypes!r}; it must be a whole number, 0 or more.")
        several = one_by_one(images)
        if several is not None:
            return self._explained(several, prototypes)
        return self._explained([images], prototypes)[0]  # type: ignore[list-item]

    def _explained(self, images: list[NewImage], count: int) -> list[ExplainedImage]:
        found: list[ExplainedImage] = []
        for start in range(0, len(images), _AT_ONCE):
            some = images[start : start + _AT_ONCE]
            named = [
                _printed(image) if isinstance(image, (str, Path)) else f"image {start + place}"
                for place, image in enumerate(some)
            ]
            device = self.backbone.device
            with _ONE_AT_A_TIME, deterministic(device), torch.autocast(device.type, enabled=False):
                found += self._explained_together(named, torch.cat([self.facts.pixels(image) for image in some]), count)
        return found

    def _explained_together(self, names: list[str], pixels: Tensor, count: int) -> list[ExplainedImage]:
        batch = Batch(self.facts.normalisation(pixels), torch.full((len(names),), -1), torch.arange(len(names)))
        said, notes = super().explain(batch), list[str]()
        probabilities, relevance = None, None
        if Capability.PROBABILITIES in self.supports:
            with torch.no_grad():
                probabilities = self.model.class_probabilities(said).cpu().double().numpy()
        try:
            relevance, note = self.class_maps(batch)
            notes += [f"the class map: {note}"] * bool(note)
        except NotOffered as why:
            notes.append(f"no class map: {why}")
        decisions = [Likeness(decided, (), (), None, "") for decided in said.predictions.tolist()]
        if Capability.SIMILARITIES in self.supports:
            decisions = likenesses(self, batch, said, min(count, len(self.model.prototypes)))
        return [
            ExplainedImage(
                name, image, decision, None if probabilities is None else probabilities[row],
                None if relevance is None else relevance[row],
                self._notes(decision, None if probabilities is None else probabilities[row], notes), self,
            )
            for row, (name, image, decision) in enumerate(zip(names, as_pixels(pixels), decisions, strict=True))
        ]  # fmt: skip

    def _notes(
        self, decision: Likeness, probabilities: NDArray[np.float64] | None, common: list[str]
    ) -> tuple[str, ...]:
        """What a reader of one explanation should know, after what holds for all of them."""
        notes = [*common, *[decision.reason] * bool(decision.reason)]
        if probabilities is not None and probabilities[decision.prediction] < probabilities.max():
            likeliest = self.facts.classes[int(probabilities.argmax())]
            notes.append(f"the method decides by a rule of its own; the most probable class is {likeliest}")
        if self.facts.cropped:
            notes.append(f"the images of {self.facts.name} are cropped to their objects; this one is taken whole")
        return tuple(dict.fromkeys(notes))
