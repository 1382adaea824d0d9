"""Checks that a fit and its use leave backbone, model, batch, hooks and global random streams as they were."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as modules

from sembench.backbones.backbone import freeze
from sembench.errors import NotOffered
from sembench.explainers.explainer import Explainer
from sembench.running.cache import tensors_sha256
from sembench.testing.case import Case, fit, map_questions, require, use


def check_backbone_untouched(explainer: Explainer, case: Case) -> None:
    """Fit and use leave the backbone's weights, modes and gradient flags as they were."""
    fresh = dataclasses.replace(case, backbone=freeze(copy.deepcopy(case.backbone)))
    before = _backbone(fresh.backbone)
    use(explainer, fit(explainer, fresh), fresh)
    after = _backbone(fresh.backbone)
    for what, old in before.items():
        require(old == after[what], explainer, f"{what} stay as they were", "they changed; fit a copy")


def _backbone(backbone: nn.Module) -> dict[str, object]:
    return {
        "the backbone's weights": tensors_sha256(backbone.state_dict()),
        "the backbone's modes": [(module.training, type(module).__name__) for module in backbone.modules()],
        "the backbone's gradient flags": [parameter.requires_grad for parameter in backbone.parameters()],
    }


def check_no_hook(explainer: Explainer, case: Case) -> None:
    """Fit and use leave no hook behind, on the backbone or on the model."""
    before = [*_hooked(case.backbone), *_everywhere()]
    model = fit(explainer, case)
    use(explainer, model, case)
    after = sorted({*_hooked(case.backbone), *_hooked(model), *_everywhere()} - set(before))
    require(not after, explainer, "no hook stays behind", f"there are new hooks on {after[:3]}")


def _hooked(model: nn.Module) -> list[str]:
    """Names of modules with hooks, with their number."""
    found = []
    for name, module in model.named_modules():
        hooks = [getattr(module, kind) for kind in _KINDS]
        hooks += [parameter._backward_hooks or () for parameter in module.parameters(recurse=False)]
        if count := sum(map(len, hooks)):
            found.append(f"{name or 'the network itself'} ({count})")
    return found


_KINDS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def _everywhere() -> list[str]:
    """Hooks on every module there is, with their number."""
    hooks = {kind: len(getattr(modules, f"_global{kind}")) for kind in _KINDS}
    return [f"every module ({count}, {kind})" for kind, count in hooks.items() if count]


def check_no_global_draw(explainer: Explainer, case: Case) -> None:
    """Fit and use draw nothing from torch's, NumPy's and Python's global random streams, and seed none of them."""
    before = _streams()
    use(explainer, fit(explainer, case), case)
    after = _streams()
    for what, old in before.items():
        seen = "it moved; draw from the generator that `fit` is given"
        require(old == after[what], explainer, f"{what}'s global random stream stays where it was", seen)


def _streams() -> dict[str, object]:
    return {
        "torch": tensors_sha256({"state": torch.get_rng_state()}),
        "NumPy": repr(np.random.get_state(legacy=False)),
        "Python": random.getstate(),
    }


def check_batch_untouched(explainer: Explainer, case: Case) -> None:
    """Use writes nothing into the images that it is given."""
    model, images = fit(explainer, case), case.batch.images.clone()
    asked: dict[str, Callable[[], object]] = {
        "forward": lambda: torch.no_grad()(model.forward)(images),
        **map_questions(model, images),
    }
    for name, ask in asked.items():
        with suppress(NotImplementedError, NotOffered):  # what is not offered writes nothing
            ask()
        seen = f"{name} wrote into it; work on a copy"
        require(torch.equal(images, case.batch.images), explainer, "the batch stays as it was", seen)


def check_model_untouched(explainer: Explainer, case: Case) -> None:
    """Use changes nothing of the fitted state."""
    model = fit(explainer, case)
    before = tensors_sha256(model.fitted_state())
    use(explainer, model, case)
    kept = tensors_sha256(model.fitted_state()) == before
    require(kept, explainer, "use leaves the model as it was", "its fitted state changed")
