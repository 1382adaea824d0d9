"""Is the result worth having? No look at test images, better than guessing, in a time that a suite can wait for."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from benchmark.conformance.case import Case, explain, fit, relevance, require
from benchmark.explainer import Explainer

_SURE = 1e-3
"""So seldom would guessing be right so often."""


def check_test_data_unseen(explainer: Explainer, case: Case) -> None:
    """No image of the test split goes through a network while the explainer is fitted."""
    size = case.dataset.train.image_size
    known = _keys(case.dataset.test.batch(torch.arange(len(case.dataset.test))).images)
    known -= _keys(case.dataset.train.batch(torch.arange(len(case.dataset.train))).images)
    seen: set[int] = set()

    def watch(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        for value in inputs:
            if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1:] == (3, size, size):
                seen.update(_keys(value.detach()) & known)

    handle = register_module_forward_pre_hook(watch)
    try:
        fit(explainer, case)
    finally:
        handle.remove()
    text = f"{len(seen)} test images went through a network during the fit"
    require(not seen, explainer, "a fit sees the training split only", text)


def _keys(images: Tensor) -> set[int]:
    """A number per image that says which one it is, whatever its memory order."""
    return {hash(image.contiguous().cpu().numpy().tobytes()) for image in images}


def check_better_than_chance(explainer: Explainer, case: Case) -> str | None:
    """It classifies test digits better than guessing does."""
    if explainer.kind == "control":
        return "a control need not be"
    model, test = fit(explainer, case), case.dataset.test
    right = sum(int((explain(model, b.images).predictions == b.labels).sum()) for b in test.batches(50))
    least, count = _least(len(test), 1 / case.dataset.n_classes), len(test)
    seen = f"{right} of {count} test digits are right, {least} would be surely better"
    require(right >= least, explainer, "it classifies better than guessing", seen)
    return None


def _least(count: int, chance: float) -> int:
    """The least number of right guesses that guessing reaches with a probability below `_SURE`."""
    tail = 0.0
    for right in range(count, -1, -1):
        tail += math.comb(count, right) * chance**right * (1 - chance) ** (count - right)
        if tail >= _SURE:
            return right + 1
    return 0


def check_time(explainer: Explainer, case: Case) -> None:
    """A fit and the explanation of a few images end within the case's time limit."""
    started = time.perf_counter()
    model = fit(explainer, case)
    explain(model, case.batch.images)
    relevance(explainer, model, case.batch.images)
    seconds = time.perf_counter() - started
    seen = f"it took {seconds:.1f} s to fit {len(case.dataset.train)} and explain {len(case.batch)} images"
    require(seconds <= case.seconds, explainer, f"a tiny case takes at most {case.seconds:g} s", seen)
