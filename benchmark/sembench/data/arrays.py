"""Images and labels as a user holds them in memory: taken as they are meant, or refused with what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sembench.errors import DataDamaged

_ROUNDING = 1e-4  # by which floats may miss [0, 1], as after resizing
_DARK = 0.1  # of white: images of which no pixel is brighter were probably scaled otherwise than they are read
_LABELS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)


def checked_pixels(pixels: Any, where: str) -> Tensor:
    """A tensor or array of images ``(N, 1 or 3, H, W)``, uint8 or float in [0, 1], as a tensor on the CPU.

    Args:
        pixels: As given.
        where: Data set and split, for messages.

    Raises:
        DataDamaged: If its shape, type or range is another; the message says what to do.
    """
    images = _tensor(pixels, f"{where}: images")
    wrong = _shape(tuple(images.shape)) or _values(images)
    if wrong:
        accepted = "accepted are (N, 1 or 3, H, W) of uint8 (0 to 255) or of floats in [0, 1]"
        raise DataDamaged(f"{where}: the images {wrong}; {accepted}.")
    return images.float() if images.dtype == torch.bfloat16 else images


def darkness(images: Tensor, what: str) -> tuple[str, ...]:
    """A note on images of `checked_pixels` that are all nearly black; none where one of them has a bright pixel.

    Examples:
        >>> darkness(torch.tensor([0, 1], dtype=torch.uint8).view(2, 1, 1, 1), "The test split")[0][:63]
        'The test split has no pixel that is brighter than 0.0039 of whi'
    """
    brightest = float(images.max()) / (255 if images.dtype == torch.uint8 else 1)
    if brightest >= _DARK:
        return ()
    return (
        f"{what} has no pixel that is brighter than {brightest:.2g} of white, which is 255 in bytes and 1 in floats. "
        "Unless the images are that dark, scale them: bytes of 0 and 1 by 255, and do not divide floats by 255 twice.",
    )


def checked_labels(labels: Any, where: str, n_classes: int) -> Tensor:
    """A tensor, array or list of labels ``(N,)``, integers from 0 to ``n_classes - 1``, as int64 on the CPU.

    Raises:
        DataDamaged: If they are no such labels; the message says what to do.
    """
    found = _tensor(labels, f"{where}: labels")
    if found.ndim != 1:
        advice = f"{tuple(found.shape)}; accepted is (N,), one number of a class for each image"
        one_hot = ". Give labels.argmax(1) instead of one-hot rows" if found.shape[1:] == (n_classes,) else ""
        one_hot = ". Give labels.flatten()" if found.shape[1:] == (1,) else one_hot
        raise DataDamaged(f"{where}: the labels have shape {advice}{one_hot}.")
    if found.dtype not in _LABELS:
        raise DataDamaged(
            f"{where}: the labels are {_name(found)}; accepted are integers from 0 to {n_classes - 1}. Give "
            "labels.long(), if each is the number of a class."
        )
    found = found.long()
    low, high = (int(found.min()), int(found.max())) if len(found) else (0, 0)
    if low < 0 or high >= n_classes:
        advice = ". Labels begin with 0: give labels - 1" if (low, high) == (1, n_classes) else ""
        raise DataDamaged(
            f"{where}: its labels run from {low} to {high}, but there are {n_classes} classes, numbered from 0 to "
            f"{n_classes - 1}{advice}."
        )
    return found


def _tensor(values: Any, what: str) -> Tensor:
    """A dense tensor on the CPU, outside of any graph; arrays and lists are copied."""
    try:
        if not isinstance(values, Tensor):
            array = np.array(values)
            values = torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
        if values.layout != torch.strided or values.is_quantized:
            raise TypeError(f"a {values.layout} tensor of type {values.dtype}")
        dense: Tensor = values.detach().cpu()
        return dense
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        said = str(error).strip().partition("\n")[0].rstrip(".")
        raise DataDamaged(f"{what} cannot be made a tensor: {said}. Give a torch.Tensor or a NumPy array.") from error


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _shape(shape: tuple[int, ...]) -> str:
    """What is wrong with a shape; empty if nothing is."""
    found = f"have shape {shape}"
    if len(shape) == 3:
        return f"{found}, without channels: give images[:, None] if they are grey"
    if len(shape) != 4:
        return found
    if shape[1] not in (1, 3):
        if shape[3] in (1, 3):
            return f"{found}, channels last: give images.permute(0, 3, 1, 2), of an array images.transpose(0, 3, 1, 2)"
        if shape[1] == 4 or (shape[1] > 4 and shape[3] == 4):
            return f"{found}, 4 channels: lay the fourth on a ground if it is transparency, else choose three"
        return f"{found}, {shape[1]} channels: choose one or three"
    return found if 0 in shape[2:] else ""


def _values(images: Tensor) -> str:
    """What is wrong with the type or the range of values; empty if nothing is."""
    if images.dtype == torch.uint8:
        return ""
    found = f"are {_name(images)}"
    if images.dtype == torch.bool:
        return f"{found}: give images.float()"
    if not images.is_floating_point():
        return f"{found}: give images.to(torch.uint8) if they run from 0 to 255, else divide by the value of white"
    if not len(images):
        return ""
    finite = images.isfinite()
    if not bool(finite.all()):
        return f"hold {int((~finite).sum()):,} values that are not finite"
    low, high = float(images.min()), float(images.max())
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return ""
    found = f"{found} from {low:.4g} to {high:.4g}"
    if low >= -_ROUNDING:
        return f"{found}: divide them by {'255' if 255 * _DARK <= high <= 256 else 'the value of white'}"
    if low >= -1 - _ROUNDING and high <= 1 + _ROUNDING:
        return f"{found}: give (images + 1) / 2 if they run from -1 to 1"
    return f"{found}: give them as they were before they were normalised"
