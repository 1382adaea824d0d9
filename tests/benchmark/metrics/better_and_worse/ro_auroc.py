import torch

from sembench.evaluation.perturbation import area_under_curve, relevance_order_curve

DECISIVE_LAST = torch.arange(9.0).view(1, 3, 3)
DECISIVE_FIRST = DECISIVE_LAST.flip(1, 2)


def area(relevance):
    """Of a decision that rests on the last of nine pixels alone."""
    images, noise = torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)

    def predict(batch):
        evidence = 0.5 + 0.4 * batch[:, 0, 2, 2]
        return torch.stack([evidence, 1 - evidence], 1)

    return area_under_curve(relevance_order_curve(predict, images, relevance, noise, steps=9))


def gain(relevance):
    shuffled = torch.tensor([[[5.0, 2, 7], [1, 9, 3], [8, 4, 6]]])
    return area(relevance) - area(shuffled)


BETTER_AND_WORSE = {
    "ro_auroc": (area(DECISIVE_LAST), area(DECISIVE_FIRST)),
    "ro_auroc_gain": (gain(DECISIVE_LAST), gain(DECISIVE_FIRST)),
}
