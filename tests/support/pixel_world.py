"""A world whose maps can be computed by hand: a network of one convolution of one pixel, so that each pixel is a cell.

Relevance of a channel goes to the pixels in proportion to their activations of that channel (average pooling); the
three colours of a pixel get what its channels have (the flat rule of a first layer).
"""

import math

import torch
from torch import nn

from rules_by_hand import (
    contrast_by_hand,
    gxi_of_distance_by_hand,
    neon_by_hand,
    onto_active_by_hand,
    prp_by_hand,
    shares,
)
from sembench.backbones.backbone import Backbone, freeze
from sembench.data.dataset import make_dataset
from sembench.evaluation.evaluation import Evaluation
from sembench.evaluation.reference import Reference
from sembench.seeding import isolated
from sembench.suites.suite import EvaluationSpec
from sembench.types import Prototypes
from sembench_baselines.kmex import KMEx

SIDE, CHANNELS, CLASSES, STEPS = 4, 6, 3, 4


def make_network():
    """One convolution of one pixel, whose last channel is always off, and a linear layer; neither has biases."""
    with isolated(3):
        network = Backbone(
            [nn.Sequential(nn.Conv2d(3, CHANNELS, 1, bias=False), nn.ReLU())], nn.Linear(CHANNELS, CLASSES, bias=False)
        )
    network.blocks[0][0].weight.data[-1] = 0
    network.classifier.weight.data.abs_().mul_(20)
    return freeze(network)


def make_data():
    """Twelve images of noise a split, three classes."""
    pixels = torch.randint(0, 256, (24, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(5)).to(torch.uint8)
    labels = torch.arange(12) % CLASSES
    return make_dataset(
        "pixels", tuple("abc"), train=(pixels[:12], labels), test=(pixels[12:], labels), image_size=SIDE,
        licence="CC0", source="made here",
    )  # fmt: skip


def make_evaluation(recipe=None, **settings):
    """A model with three prototypes a class, two of which are training images, under measurement with all variants."""
    recipe = KMEx() if recipe is None else recipe
    network, data = make_network(), make_data()
    with torch.no_grad():
        points = network.embed(data.train.batch(torch.arange(9)).images)
    points[6:] += 0.3  # far from all images
    model = recipe.model(network, Prototypes(points, data.train.labels[:9]), recipe).eval()
    chosen = {"explained_images": 12, "steps": STEPS, "batch_size": 5, "variants": True, **settings}
    return Evaluation(model, Reference(network, data, 0, EvaluationSpec(**chosen)), "by hand")


class ByHand:
    """What the network and KMEx make of one image, on plain numbers.

    Args:
        evaluation: Of which weights and prototypes are read.
        image: ``(3, SIDE, SIDE)``.
    """

    def __init__(self, evaluation, image):
        network, prototypes = evaluation.reference.backbone, evaluation.model.prototypes
        self.weight = network.blocks[0][0].weight[:, :, 0, 0].tolist()
        self.classifier = network.classifier.weight.tolist()
        self.vectors, self.classes = prototypes.vectors.tolist(), prototypes.classes.tolist()
        pixels = torch.as_tensor(image).flatten(1).T.tolist()
        self.cells = [[max(0.0, sum(w * x for w, x in zip(row, pixel, strict=True))) for row in self.weight]
                      for pixel in pixels]  # fmt: skip
        self.embedding = [math.fsum(cell[c] for cell in self.cells) / len(pixels) for c in range(CHANNELS)]
        self.similarities = [-math.dist(self.embedding, vector) for vector in self.vectors]

    @property
    def decided(self):
        """The class of the nearest prototype."""
        return self.classes[self.similarities.index(max(self.similarities))]

    @property
    def probabilities(self):
        """For each class the sum over its prototypes of the softmax over all."""
        odds = shares([math.exp(s - max(self.similarities)) for s in self.similarities])
        return [sum(p for p, label in zip(odds, self.classes, strict=True) if label == k) for k in range(CLASSES)]

    @property
    def nearest(self):
        """The most similar prototype of the decided class."""
        return max(self.own, key=lambda j: self.similarities[j])

    @property
    def own(self):
        """The prototypes of the decided class."""
        return [j for j, label in enumerate(self.classes) if label == self.decided]

    def map_of(self, relevance):
        """Pixels, row by row, from the relevance of channels."""
        totals = [math.fsum(cell[c] for cell in self.cells) for c in range(CHANNELS)]
        return [
            math.fsum(relevance[c] * cell[c] / totals[c] for c in range(CHANNELS) if totals[c]) for cell in self.cells
        ]

    def black_box_map(self):
        """The predicted class's probability on its logit, shared out by ``w_c z_c``."""
        logits = [sum(w * z for w, z in zip(row, self.embedding, strict=True)) for row in self.classifier]
        odds = shares([math.exp(logit - max(logits)) for logit in logits])
        k = logits.index(max(logits))
        parts = shares([w * z for w, z in zip(self.classifier[k], self.embedding, strict=True)])
        return self.map_of([odds[k] * part for part in parts])

    def headless_map(self):
        """Relevance on the embedding as it is."""
        return self.map_of(shares(self.embedding))

    def prototype_map(self, j):
        """PRP of one prototype."""
        return self.map_of(self._rule("prp", j))

    def class_map(self, rule):
        """The decided class's probability, all of it to its most similar prototype, by a rule to the channels."""
        seed = self.probabilities[self.decided]
        return self.map_of([seed * part for part in self._rule(rule, self.nearest)])

    def _rule(self, rule, j):
        z, p = self.embedding, self.vectors[j]
        rivals = [r for r, label in zip(self.vectors, self.classes, strict=True) if label != self.classes[j]]
        parts = {
            "prp": lambda: prp_by_hand(z, p),
            "gxi": lambda: gxi_of_distance_by_hand(z, p),
            "neon": lambda: neon_by_hand(z, p, rivals),
            "contrast": lambda: contrast_by_hand(z, p, rivals),
        }[rule]()
        return onto_active_by_hand(parts, z)
