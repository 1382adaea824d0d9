import torch

from sembench.metrics.accuracy import accuracy

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
RIGHT, WRONG = LABELS.clone(), torch.tensor([0, 1, 0, 1, 2, 0])


def gap(predictions):
    """In points, against a black box that is right half of the time."""
    return 100 * (accuracy(predictions, LABELS) - torch.tensor([1.0, 0, 1, 0, 1, 0]))


BETTER_AND_WORSE = {
    "accuracy": (accuracy(RIGHT, LABELS), accuracy(WRONG, LABELS)),
    "accuracy_train": (accuracy(RIGHT, LABELS), accuracy(WRONG, LABELS)),
    "accuracy_gap": (gap(RIGHT), gap(WRONG)),
}
