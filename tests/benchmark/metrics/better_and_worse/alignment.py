import torch

from sembench.metrics.alignment import alignment

TYPICAL, STRAY = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def cosines(prototype):
    embeddings, labels = torch.tensor([[1.0, 0.2], [1.0, -0.2], [-0.3, 1.0]]), torch.tensor([0, 0, 1])
    return alignment(prototype[None], torch.tensor([0]), embeddings, labels)


BETTER_AND_WORSE = {
    "alignment_class": (cosines(TYPICAL)[0], cosines(STRAY)[0]),
    "alignment_out": (cosines(TYPICAL)[1], cosines(STRAY)[1]),
}
