"""Colours of classes and of their prototypes, the same on every figure; numbers and names stand beside them."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from torch import Tensor

from sembench.types import SHARED

# P. Tol's muted scheme with a darker grey, told apart with any colour vision; from the eleventh class on they return.
_CLASSES = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777",
)  # fmt: skip
_DARKEST, _PALEST = 0.25, 0.6  # how far the prototypes of a class go to black and to white

Colour = tuple[float, float, float]


def class_colour(label: int) -> Colour:
    """The colour of a class; black for prototypes that belong to none."""
    return (0.0, 0.0, 0.0) if label == SHARED else to_rgb(_CLASSES[label % len(_CLASSES)])


def prototype_colours(classes: Tensor) -> list[Colour]:
    """A colour for each prototype: the hue of its class ``(P,)``, from dark to pale over those of the class."""
    colours, labels = [], classes.tolist()
    for place, label in enumerate(labels):
        of_class = labels.count(label)
        rank = labels[:place].count(label) / (of_class - 1) if of_class > 1 else 0.5
        shade = rank * (_DARKEST + _PALEST) - _DARKEST
        base = np.array(class_colour(label))
        mixed = base * (1 + shade) if shade < 0 else base + (1 - base) * shade
        colours.append((float(mixed[0]), float(mixed[1]), float(mixed[2])))
    return colours


def ink_on(colour: Colour) -> str:
    """Black or white, whichever is legible on a colour."""
    return "black" if float(np.dot(colour, (0.299, 0.587, 0.114))) > 0.5 else "white"
