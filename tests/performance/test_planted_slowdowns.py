"""That the gates can say no: each of these slowdowns leaves every score as it is, and turns a gate red."""

import dataclasses
import itertools

import pytest
import torch

from sembench.evaluation.evaluation import Evaluation
from sembench.metrics.accuracy import ACCURACY, accuracy
from sembench.metrics.lrp_kl import LRP_KL, relevance_kl
from sembench.metrics.metric import Meter, Scores
from sembench.testing import Tally, gates, tally
from sembench_baselines.kmex import KMEx, KMExModel
from stage import Stage
from workloads import workloads


class Eager(KMExModel):
    """Looks at the images once more than it needs before it explains them."""

    def attribute(self, images, targets=None):
        self(images)
        return super().attribute(images, targets)


class OneByOne(KMExModel):
    """Explains one image after the other."""

    def attribute(self, images, targets=None):
        chosen = [None] * len(images) if targets is None else targets.split(1)
        return torch.cat(
            [super(OneByOne, self).attribute(image[None], c) for image, c in zip(images, chosen, strict=True)]
        )


class Rereading(Meter):
    """Accuracy that asks the model again about every batch of the shared pass."""

    observes = frozenset({"test"})

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation)
        self.parts = []

    def observe(self, split, batch, explanation):
        again = self.evaluation.explain(batch)
        self.parts.append(accuracy(again.predictions, batch.labels))

    def scores(self):
        return Scores(torch.cat(self.parts))


class Looping(Meter):
    """LRP-KL one map at a time."""

    def scores(self):
        pairs = zip(self.evaluation.class_maps.relevance, self.evaluation.reference_relevance, strict=True)
        return Scores(torch.cat([relevance_kl(a[None], b[None]) for a, b in pairs]))


@pytest.fixture(scope="module")
def stage():
    return Stage()


def fitted(stage, kind):
    """The stage's KMEx as an explainer that is right and slow."""
    model = KMEx().fit(stage.backbone, stage.dataset.train, generator=torch.Generator().manual_seed(0)).eval()
    model.__class__ = kind
    return model


@pytest.mark.parametrize("kind", [Eager, OneByOne])
def test_a_slow_explainer_turns_the_gate_of_its_passes_red(stage, kind):
    slow, images = fitted(stage, kind), stage.images[:4]
    torch.testing.assert_close(slow.attribute(images), stage.model("kmex").attribute(images), rtol=1e-3, atol=1e-4)
    counts = tally(lambda: slow.attribute(images), slow)
    with pytest.raises(gates.TooCostly, match=r"explain kmex: .* where 1 of 4 are expected\. Find the pass"):
        gates.exact_passes("explain kmex", counts, passes=1, images=4)
    gates.exact_passes("explain kmex", tally(lambda: stage.model("kmex").attribute(images), stage.model("kmex")),
                       passes=1, images=4)  # fmt: skip


def test_an_explainer_that_loops_over_images_turns_the_gate_of_its_time_red(stage):
    model, images = stage.model("b4"), stage.images

    def one_by_one():
        return torch.cat([model.attribute(image[None]) for image in images])

    @torch.no_grad()
    def forward():
        return stage.backbone(images)

    torch.testing.assert_close(one_by_one(), model.attribute(images), rtol=1e-3, atol=1e-2)
    gates.within("explain b4", lambda: model.attribute(images), forward, at_most=1.6)
    with pytest.raises(gates.TooCostly, match=r"explain b4: takes .* best of 3 measurements, where 1\.6 is"):
        gates.within("explain b4", one_by_one, forward, at_most=1.6)


def test_a_metric_with_an_extra_pass_turns_the_gates_of_its_passes_and_of_its_time_red(stage):
    slow = dataclasses.replace(ACCURACY, meter=Rereading)
    assert torch.equal(stage.read(slow), stage.read(ACCURACY))
    with pytest.raises(gates.TooCostly, match="metric accuracy: 4 forward passes of 200 images in all, where 2 of 100"):
        gates.exact_passes(
            "metric accuracy", tally(lambda: stage.read(slow), stage.model("kmex")), passes=2, images=100
        )
    forward = workloads()["forward passes"](stage).run
    with pytest.raises(gates.TooCostly, match="metric accuracy: takes"):
        gates.within("metric accuracy", lambda: stage.read(slow), forward, at_most=1.7, repetitions=3)
    assert gates.within("metric accuracy", lambda: stage.read(ACCURACY), forward, at_most=1.7, repetitions=3) <= 1.7


def test_a_metric_that_loops_over_images_turns_the_gate_of_its_operations_red():
    slow = dataclasses.replace(LRP_KL, meter=Looping)
    found = {}
    for explained in (12, 24):
        stage = Stage(training=60, explained=explained, batch=400)
        torch.testing.assert_close(stage.read(slow), stage.read(LRP_KL))
        stage.prepare()
        for metric in (slow, LRP_KL):
            found[explained, metric.meter] = tally(lambda m=metric, s=stage: s.read(m), stage.model("kmex"))
    gates.no_loop_over_images("metric lrp_kl", found[12, LRP_KL.meter], found[24, LRP_KL.meter])
    with pytest.raises(gates.TooCostly, match=r"metric lrp_kl: .* instead of looping over its images"):
        gates.no_loop_over_images("metric lrp_kl", found[12, Looping], found[24, Looping])


def test_a_loop_through_the_network_turns_the_gate_of_its_operations_red(stage):
    def one_by_one(images):
        with torch.no_grad():
            return torch.cat([stage.backbone(image[None]) for image in images])

    few, many = (tally(lambda n=n: one_by_one(stage.images[:n]), stage.backbone) for n in (5, 10))
    with pytest.raises(gates.TooCostly, match=r"5 forward passes on few images, .* and 10 on many"):
        gates.no_loop_over_images("forward passes", few, many)


def test_keeping_the_images_turns_the_gate_of_memory_red(stage):
    def seen(count, keep):
        kept = []

        def run():
            for batch in itertools.islice(stage.dataset.train.batches(20), count // 20):
                kept.append(batch.images if keep else batch.images.sum())

        return tally(run)

    limit = {"images": 80, "at_most": 8712}
    assert gates.bytes_per_image("frugal", seen(100, keep=False), seen(180, keep=False), **limit) < 100
    with pytest.raises(
        gates.TooCostly, match=r"hoard: holds 13,[0-9]{3} bytes for each further image, where 8,712 are"
    ):
        gates.bytes_per_image("hoard", seen(100, keep=True), seen(180, keep=True), **limit)


def test_a_gain_is_not_let_through_unnoticed():
    with pytest.raises(gates.TooCostly, match=r"3 forward passes of 300 .* lower what is expected"):
        gates.exact_passes("fit", Tally(3, 300, 0, 0), passes=4, images=400)
