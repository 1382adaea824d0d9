"""Notes on a black box that is probably not handed its images, or not read, as it was trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest
from torch import Tensor

from sembench.data.dataset import Dataset
from sembench.evaluation.reference import Reference
from sembench.seeding import generator

LEVEL = 0.01
"""Level of the one-sided tests."""

_GAIN = 0.1  # what another order of classes has to add to the accuracy before it is mentioned
_LISTED = 200  # classes whose order is printed


def notes_on(reference: Reference, *, assumed: bool, brought: bool) -> tuple[str, ...]:
    """What a user should know of a black box before believing what is said of it. One pass over the test split, shared.

    Args:
        reference: The black box on the data set.
        assumed: Whether nobody said how the network wants its images.
        brought: Whether the network came with its classes, rather than being trained for this data set here.
    """
    data, found = reference.dataset, reference.predictions
    notes = [_on_normalisation(data, float(reference.correct.mean()))] if assumed else []
    another = _on_order(found, data.test.labels, data.classes) if brought else None
    if another is not None:
        return *notes, another
    labels = data.test.labels
    return *notes, *_on_chance(found, labels, data.n_classes, brought)


def _on_normalisation(data: Dataset, accuracy: float) -> str:
    mean, std = (_channels(values) for values in (data.train.normalisation.mean, data.train.normalisation.std))
    return (
        f"no mean and std were given for the network: its images are normalised by this data set's own statistics, "
        f"mean {mean}, std {std}. So it has an accuracy of {accuracy:.4f} on the test images of {data.name}. If it was "
        "trained with other numbers, give those as mean and std."
    )


def _channels(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.4f}' for value in values)}]"


def _on_order(found: Tensor, labels: Tensor, classes: Sequence[str]) -> str | None:
    """The note on classes in another order, if that explains the answers much better.

    The order is the assignment of outputs to classes with most hits. Its accuracy is measured on the half of the images
    that it was not found on, both halves in turn. It is mentioned if it is at least 0.1 higher, by a sign test at 1 %,
    and either twice as high or with half the errors.
    """
    count, drawn = len(classes), torch.randperm(len(labels), generator=generator(0, "halves of the test images"))
    even = drawn % 2 == 0  # not by position: classes may take turns there
    hits = torch.zeros(len(labels), dtype=torch.bool)
    for half in (even, ~even):
        hits[~half] = _best_order(found[half], labels[half], count)[found[~half]] == labels[~half]
    right = found == labels
    now, then = float(right.double().mean()), float(hits.double().mean())
    gained, lost = int((hits & ~right).sum()), int((right & ~hits).sum())
    if then < now + _GAIN or not (then >= 2 * now or 1 - then <= (1 - now) / 2):
        return None
    if binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue > LEVEL:
        return None
    order = [classes[position] for position in _best_order(found, labels, count).tolist()]
    listed = f"classes = {order}" if count <= _LISTED else "classes = [...]"
    return (
        f"the network's accuracy is {now:.4f} on the test images, but would be {then:.4f} if its outputs stood for the "
        "classes in another order. Give the data set the classes in the order of the network; for a folder of images "
        f"this seems to be {listed}."
    )


def _best_order(found: Tensor, labels: Tensor, count: int) -> Tensor:
    """The class that each output stands for ``(C,)``, by linear assignment on the confusion matrix; ties stay."""
    confusion = torch.bincount(found * count + labels, minlength=count**2).view(count, count).double()
    confusion += 0.5 * torch.eye(count, dtype=torch.float64)  # an output that says nothing keeps its class
    return torch.from_numpy(linear_sum_assignment(confusion.numpy(), maximize=True)[1])


def _on_chance(found: Tensor, labels: Tensor, count: int, brought: bool) -> tuple[str, ...]:
    """The note on a black box that is not better than naming one class, by a binomial test at 1 %."""
    right, largest = int((found == labels).sum()), int(labels.bincount(minlength=count).max())
    if binomtest(right, len(labels), largest / len(labels), alternative="greater").pvalue <= LEVEL:
        return ()
    causes = (
        "its classes stand in another order than the data set's (a folder takes classes = [...]); mean and std are not "
        "those that it was trained with; it wants its channels as blue, green, red; it wants pixels in [0, 255] (mean "
        "0, std 1/255)"
        if brought
        else "too few epochs, a learning rate that is too high or too low, or labels that do not go with the images"
    )
    return (
        f"the black box is right on {right} of {len(labels)} test images, {right / len(labels):.4f}; always naming the "
        f"most common class would be right on {largest}. It is not better than that (binomial test at 1 %), and what "
        f"explainers say of it means little. Likely causes: {causes}.",
    )
