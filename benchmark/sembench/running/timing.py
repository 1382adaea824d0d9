"""Times to classify and to explain: of images in batches, and of a single one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from sembench.backbones.backbone import every_pass_made
from sembench.cost import PassCounter
from sembench.errors import RelevanceUndefined
from sembench.evaluation.evaluation import Evaluation
from sembench.evaluation.maps import prototype_maps
from sembench.running.device import clock

SINGLES = 10
"""Images that are timed one at a time, at most. [ours]"""


def timing(evaluation: Evaluation, *, explains: bool) -> dict[str, float]:
    """Seconds to classify and to explain an image, by field of `Cost`.

    Each is measured on the explained images in batches, as throughput, and on the first ten of them one at a time, of
    which the median counts, after one that warms up. What is explained is the map that the model shows, see
    `sembench.evaluation.maps.prototype_maps`. Every pass is made, none is taken from the cache, and none counts as one
    of the evaluation.

    Args:
        evaluation: The model under measurement.
        explains: Whether the model offers relevance. Where a step of it has no rule, its maps are not measured either.

    References:
        [K] section A.3 and Table 12.
    """
    reference, model = evaluation.reference, evaluation.model
    images = evaluation.sample.images.to(reference.backbone.device)

    def classify(batch: Tensor) -> None:
        with torch.no_grad():
            model(batch).predictions  # noqa: B018 - a lazy property, and the point of the call

    def explain(batch: Tensor) -> None:
        prototype_maps(model, batch)

    with every_pass_made(reference.backbone), evaluation.counter.paused():
        classify(images[:1])
        found = _measured("predict", classify, images, evaluation.settings.batch_size)
        if explains:
            with PassCounter(model) as counter:
                try:
                    explain(images[:1])
                except RelevanceUndefined:  # which the scores that follow maps say
                    return found
            found |= _measured("explain", explain, images, evaluation.settings.batch_size)
            found["explain_images"] = counter.images
    return found


def _measured(what: str, work: Callable[[Tensor], None], images: Tensor, batch_size: int) -> dict[str, float]:
    """Seconds per image in batches, and of a single one."""
    return {
        f"{what}_seconds_single": median(_seconds(work, images[:SINGLES].split(1))),
        f"{what}_seconds_per_image": sum(_seconds(work, images.split(batch_size))) / len(images),
    }


def _seconds(work: Callable[[Tensor], None], batches: Sequence[Tensor]) -> list[float]:
    """Seconds that the work on each batch takes."""
    seconds = []
    for batch in batches:
        started = clock(batch.device)
        work(batch)
        seconds.append(clock(batch.device) - started)
    return seconds
