"""torchvision's classifiers by name, e.g. ``densenet121``, ``efficientnet-b0``, ``vgg16``; any that can be wrapped."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from torchvision import models

from sembench.backbones.backbone import Backbone
from sembench.backbones.loading import load_weights
from sembench.backbones.weights import not_fetched, read_weights
from sembench.backbones.wrapping import wrapped

# Side branches serve the training only, in which there are several outputs then; published weights include them.
_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
_SIDE_BRANCHES = ("aux1.", "aux2.", "AuxLogits.")


def named(name: str) -> Callable[..., Backbone]:
    """The factory behind a name: torchvision's, with ``-`` for ``_``. Raises ``LookupError`` if it has none."""
    own = name.replace("-", "_")
    if own not in models.list_models(module=models):
        raise LookupError(name)
    return functools.partial(wrapped, functools.partial(_network, own))


def _network(name: str, n_classes: int, image_size: int, weights: str) -> nn.Module:
    """The network with initial weights, ``"imagenet"``: torchvision's first published ones, or those of a file."""
    options = dict(_OPTIONS.get(name, {}))
    if name.startswith("vit_") and weights != "imagenet":
        options["image_size"] = image_size
    if name.startswith("maxvit"):
        options["input_size"] = (image_size, image_size)
    if weights == "none":
        return models.get_model(name, num_classes=n_classes, **options)  # type: ignore[no-any-return]
    if weights == "imagenet":
        published = models.get_model_weights(name)["IMAGENET1K_V1"]
        try:
            fetched: Any = models.get_model(name, weights=published, progress=False)
        except (OSError, RuntimeError) as error:
            raise not_fetched(published.url, error) from error
        if name == "inception_v3":
            fetched.aux_logits, fetched.AuxLogits = False, None
        return fetched  # type: ignore[no-any-return]
    state = {k: v for k, v in read_weights(Path(weights)).items() if not k.startswith(_SIDE_BRANCHES)}
    heads = sorted(key for key, value in state.items() if key.endswith("weight") and value.ndim == 2)
    rows = len(state[heads[-1]]) if heads else n_classes
    network: nn.Module = models.get_model(name, num_classes=rows, **options)
    load_weights(network, state, weights)
    return network
