"""A world small enough to look through: 8x8 images of three classes, a network of a few channels, six prototypes.

A plain module, loaded by path (`conftest.py` beside it, and `tests/benchmark/test_evaluation.py`), since tests are no
package.
"""

from dataclasses import replace

import torch

from sembench.backbones.backbone import Backbone, freeze
from sembench.cost import PassCounter
from sembench.data.dataset import make_dataset
from sembench.evaluation.evaluation import Evaluation
from sembench.evaluation.reference import Reference
from sembench.explainers.explainer import SelfExplainableModel
from sembench.metrics.scoring import run_passes
from sembench.plugins.registry import METRICS
from sembench.seeding import isolated
from sembench.similarity import largest_per_class, similarity, sum_per_class
from sembench.suites.suite import EvaluationSpec
from sembench.types import Capability, Explanation, Prototypes

CLASSES = ("left", "right", "top")
SIZE = 8
TEST_LABELS = (0, 1, 0, 2, 0, 0, 1, 0, 1, 0, 2, 0, 1, 0, 2, 1, 0)
"""Nine of class 0, five of class 1, three of class 2: not balanced."""


def pixels_of(labels, seed):
    """Grey noise with one half of the image brighter: the left, the right or the upper one."""
    pixels = torch.randint(0, 120, (len(labels), 1, SIZE, SIZE), generator=torch.Generator().manual_seed(seed))
    halves = [(slice(None), slice(0, 4)), (slice(None), slice(4, 8)), (slice(0, 4), slice(None))]
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[0][halves[label]] += 100
    return pixels.to(torch.uint8)


def attributes_of(labels):
    """Five attributes: that of each class, one that alternates, one that all images have."""
    return torch.cat([labels[:, None] == torch.arange(3), (torch.arange(len(labels)) % 2 == 0)[:, None],
                      torch.ones(len(labels), 1, dtype=torch.bool)], 1)  # fmt: skip


def make_data(name="tiny"):
    """24 balanced training images and 17 unbalanced test images, with five attributes each."""
    train, test = torch.arange(24) % 3, torch.tensor(TEST_LABELS)
    made = make_dataset(
        name,
        CLASSES,
        train=(pixels_of(train, 1), train),
        test=(pixels_of(test, 2), test),
        image_size=SIZE,
        licence="CC0",
        source="made here",
    )
    return replace(
        made,
        train=replace(made.train, attributes=attributes_of(train)),
        test=replace(made.test, attributes=attributes_of(test)),
        attribute_names=("left", "right", "top", "even", "any"),
        supports=frozenset({Capability.ATTRIBUTES}),
    )


def make_backbone(seed=0):
    """Two convolutions, batch norm, a linear layer; frozen."""
    with isolated(seed):
        first = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
        second = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3, stride=2, padding=1), torch.nn.ReLU())
        return freeze(Backbone([first, second], torch.nn.Linear(6, len(CLASSES))))


class TinyModel(SelfExplainableModel):
    """Nearest of two prototypes per class, explained by gradient times input: one pass per call, whatever is asked.

    Its rules raise the sizes of the class map's relevance to powers, so that each gives another map.
    """

    rules = ("neon", "contrast", "gxi", "prp")

    def __init__(self, backbone, data):
        super().__init__()
        self.backbone = backbone
        self.similarity = similarity("distance")
        with torch.no_grad():
            vectors = backbone.embed(data.train.batch(torch.arange(6)).images)
        self.register_buffer("vectors", 40 * vectors)
        self.register_buffer("classes", data.train.labels[:6].clone())

    @property
    def prototypes(self):
        return Prototypes(self.vectors, self.classes)

    def forward(self, images):
        embeddings = 40 * self.backbone.embed(images)
        similarities = self.similarity(embeddings, self.vectors)
        return Explanation(largest_per_class(similarities, self.classes, 3), similarities, embeddings=embeddings)

    def class_probabilities(self, explanation):
        return sum_per_class(explanation.similarities.softmax(1), self.classes, 3)

    def prototype_similarities(self):
        return self.similarity(self.vectors.double(), self.vectors.double())

    def attribute(self, images, targets=None):
        def score(explanation):
            chosen = explanation.predictions if targets is None else targets
            return self.class_probabilities(explanation).gather(1, chosen[:, None])

        return self._gradient_times_input(images, score)

    def attribute_by(self, rule, images):
        return self.attribute(images).abs() ** (1 + self.rules.index(rule))

    def attribute_prototypes(self, images, prototypes):
        return self._gradient_times_input(images, lambda said: said.similarities.gather(1, prototypes[:, None]))

    def _gradient_times_input(self, images, score):
        with torch.enable_grad():
            inputs = images.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(score(self(inputs)).sum(), inputs)
        return (gradient * images).sum(1)


class TinyCellModel(TinyModel):
    """The same prototypes, compared with every cell of the feature map."""

    points = "cell"

    def forward(self, images):
        cells = 40 * self.backbone.features(images)
        rows = cells.permute(0, 2, 3, 1).flatten(1, 2)
        maps = self.similarity(rows, self.vectors.expand(len(images), -1, -1))
        maps = maps.transpose(1, 2).unflatten(2, cells.shape[2:])
        similarities = maps.mean((2, 3))
        scores = largest_per_class(similarities, self.classes, 3)
        return Explanation(scores, similarities, similarity_maps=maps, embeddings=cells)


def make_evaluation(kind=TinyModel, *, name="tiny model", seed=0, data=None, backbone=None, **settings):
    """A model of this kind under measurement."""
    data = make_data() if data is None else data
    backbone = make_backbone() if backbone is None else backbone
    chosen = {"explained_images": 9, "steps": 4, "batch_size": 5, **settings}
    return Evaluation(kind(backbone, data).eval(), Reference(backbone, data, seed, EvaluationSpec(**chosen)), name)


def read_meters(evaluation, metrics):
    """The scores of some metrics, read off in one go: by name."""
    meters = {metric.name: metric.meter(evaluation) for metric in metrics}
    run_passes(evaluation, meters.values())
    return {name: meter.scores() for name, meter in meters.items()}


def deciding(rule, kind=TinyModel):
    """The kind of a model that decides by a rule, from the most probable classes."""

    class Deciding(kind):
        def forward(self, images):
            said = super().forward(images)
            return replace(said, decisions=rule(self.class_probabilities(said).argmax(1)))

    return Deciding


def count_passes(evaluation, names):
    """Calls and images of the network while these metrics are read, the black box's share aside."""
    assert evaluation.reference_relevance is not None
    assert evaluation.headless_maps is not None
    assert evaluation.reference_correct is not None
    with PassCounter(evaluation.model) as counter:
        read_meters(evaluation, [METRICS.get(name) for name in names])
    return counter.passes, counter.images
