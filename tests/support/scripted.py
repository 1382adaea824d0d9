"""An evaluation that is told what it finds, so that a meter can be held against numbers of a test's own making.

A plain module, loaded by path (`conftest.py` here, and in `tests/golden`), since tests are no package.
"""

from types import SimpleNamespace

import torch

from sembench.evaluation.evaluation import Evaluation
from sembench.explainers.explainer import SelfExplainableModel
from sembench.suites.suite import EvaluationSpec
from sembench.types import Batch, Explanation, Prototypes


class Scripted(SelfExplainableModel):
    """A model without a network: prototypes, and their similarities to each other."""

    rules = ("neon", "contrast", "gxi", "prp")

    def __init__(self, classes, vectors=None, similarities=None, points="image"):
        super().__init__()
        classes = torch.as_tensor(classes)
        self.points = points
        self._prototypes = Prototypes(torch.zeros(len(classes), 1) if vectors is None else vectors, classes)
        self._similarities = similarities

    @property
    def prototypes(self):
        return self._prototypes

    def prototype_similarities(self):
        return self._similarities

    def forward(self, images):
        raise NotImplementedError

    def class_probabilities(self, explanation):
        return explanation.class_scores.softmax(1)

    def attribute(self, images, targets=None):
        raise NotImplementedError


def scripted_evaluation(model=None, *, n_classes=3, variants=True, attributes=None, seed=0, **known):
    """An evaluation of ``model`` whose members in ``known`` are given instead of computed.

    ``attributes`` are those of the training images.
    """
    dataset = SimpleNamespace(n_classes=n_classes, name="scripted", train=SimpleNamespace(attributes=attributes))
    reference = SimpleNamespace(dataset=dataset, seed=seed, settings=EvaluationSpec(variants=variants))
    kind = type("ScriptedEvaluation", (Evaluation,), known)
    return kind(Scripted([0, 1]) if model is None else model, reference, "scripted")


def show(meter, split, labels, *, size=4, n_classes=3, predictions=None, similarities=None, **parts):
    """Shows a meter explanations of these images in batches, and returns its scores."""
    labels = torch.as_tensor(labels, dtype=torch.int64)
    for rows in torch.arange(len(labels)).split(size) if len(labels) else ():
        scores = torch.zeros(len(rows), n_classes)
        if predictions is not None:
            scores.scatter_(1, torch.as_tensor(predictions)[rows, None], 1.0)
        explanation = Explanation(
            scores,
            torch.zeros(len(rows), 1) if similarities is None else similarities[rows],
            **{name: values[rows] for name, values in parts.items()},
        )
        meter.observe(split, Batch(torch.zeros(len(rows), 3, 1, 1), labels[rows], rows), explanation)
    return meter.scores()
