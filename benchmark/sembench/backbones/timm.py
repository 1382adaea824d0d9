"""Classifiers and encoders of timm by name, e.g. ``timm.vit_small_patch14_reg4_dinov2``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from sembench.backbones.backbone import Backbone
from sembench.backbones.loading import load_weights
from sembench.backbones.weights import not_fetched, read_weights
from sembench.backbones.wrapping import wrapped
from sembench.errors import SuiteInvalid

_PREFIX = "timm."


def named(name: str) -> Callable[..., Backbone]:
    """The factory behind ``timm.NAME``. Raises `SuiteInvalid` without timm, ``LookupError`` if it has no such one."""
    own = name.removeprefix(_PREFIX)
    if not _timm().is_model(own.partition(".")[0]):
        raise LookupError(name)
    return functools.partial(wrapped, functools.partial(_network, own))


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise SuiteInvalid("backbones timm.* need timm, which is missing: pip install 'sembench[timm]'.") from error
    return timm


def _network(name: str, n_classes: int, image_size: int, weights: str) -> nn.Module:
    """The network with initial weights, ``"pretrained"`` or ``"imagenet"``: timm's own, or those of a file."""
    if weights == "none":
        return _created(name, image_size, num_classes=n_classes)
    if weights in ("pretrained", "imagenet"):
        try:
            return _created(name, image_size, pretrained=True)
        except (OSError, RuntimeError) as error:
            raise not_fetched(f"timm's {name}", error) from error
    state = read_weights(Path(weights))
    heads = [key for key, value in state.items() if value.ndim == 2 and key.split(".")[-2:][0] in ("head", "fc")]
    network = _created(name, image_size, num_classes=len(state[heads[-1]]) if heads else 0)
    load_weights(network, state, weights)
    return network


def _created(name: str, image_size: int, **options: Any) -> nn.Module:
    """The network, made for this size of image where it asks for one."""
    create = _timm().create_model
    try:
        return create(name, img_size=image_size, **options)  # type: ignore[no-any-return]
    except TypeError:  # a convolutional network takes images of any size
        return create(name, **options)  # type: ignore[no-any-return]
