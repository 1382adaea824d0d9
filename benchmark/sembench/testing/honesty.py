"""Checks that a result is worth having: no look at test images, better than guessing, in a reasonable time."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from sembench.data.dataset import Split
from sembench.explainers.explainer import Explainer
from sembench.testing.case import Case, explain, fit, require, use

_SURE = 1e-3
"""Largest probability with which guessing may reach the number of right labels that is asked for. [ours]"""


def check_test_data_unseen(explainer: Explainer, case: Case) -> None:
    """No image of the test split is read, or goes through a network, while the explainer is fitted."""
    train, test = case.dataset.train, case.dataset.test
    size, every = train.image_size, (torch.arange(len(train)), torch.arange(len(test)))
    known = _keys(test.batch(every[1]).images) - _keys(train.batch(every[0]).images)
    unread = _keys(test.load(every[1])) - _keys(train.load(every[0]))
    seen: set[int] = set()
    read: set[int] = set()

    def watch(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        for value in inputs:
            if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1:] == (3, size, size):
                seen.update(_keys(value.detach()) & known)

    load = Split.load

    def watched(split: Split, indices: Tensor) -> Tensor:
        images = load(split, indices)
        read.update(_keys(images) & unread)
        return images

    handle = register_module_forward_pre_hook(watch)
    Split.load = watched  # type: ignore[method-assign, assignment]
    try:
        fit(explainer, case)
    finally:
        Split.load = load  # type: ignore[method-assign]
        handle.remove()
    text = f"{len(read)} test images were read and {len(seen)} went through a network during the fit"
    require(not (seen or read), explainer, "a fit sees the training split only", text)


def _keys(images: Tensor) -> set[int]:
    """A number per image that identifies it, whatever its memory order."""
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
    started = perf_counter()
    use(explainer, fit(explainer, case), case)
    seconds = perf_counter() - started
    seen = f"it took {seconds:.1f} s to fit {len(case.dataset.train)} and explain {len(case.batch)} images"
    require(seconds <= case.seconds, explainer, f"a tiny case takes at most {case.seconds:g} s", seen)
