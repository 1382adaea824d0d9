import pytest
import torch

from sembench.errors import ContractBroken
from sembench.metrics.alignment import ALIGNMENT_CLASS, ALIGNMENT_OUT, alignment
from sembench.types import Prototypes

EMBEDDINGS = torch.tensor([[1.0, 0.0], [3.0, 3.0], [0.0, 2.0], [0.0, -5.0], [-4.0, 0.0]])
LABELS = torch.tensor([0, 0, 1, 1, 1])
HALF = 0.5**0.5


def random_case(seed=0):
    source = torch.Generator().manual_seed(seed)
    prototypes, embeddings = (torch.randn(n, 7, generator=source, dtype=torch.float64) for n in (6, 20))
    return prototypes, torch.arange(6) % 3, embeddings, torch.arange(20) % 3


def test_cosines_with_the_axes_are_known():
    inside, outside = alignment(torch.tensor([[10.0, 0.0], [0.0, 0.1]]), torch.tensor([0, 1]), EMBEDDINGS, LABELS)
    assert inside.tolist() == pytest.approx([(1 + HALF) / 2, (1 - 1 + 0) / 3])
    assert outside.tolist() == pytest.approx([(0 + 0 - 1) / 3, (0 + HALF) / 2])
    assert inside.dtype == outside.dtype == torch.float64


def test_a_prototype_along_its_class_and_against_all_others_is_at_both_ends():
    embeddings = torch.tensor([[2.0, 1.0], [4.0, 2.0], [-6.0, -3.0]])
    inside, outside = alignment(torch.tensor([[2.0, 1.0]]), torch.tensor([0]), embeddings, torch.tensor([0, 0, 1]))
    assert inside.item() == pytest.approx(1)
    assert outside.item() == pytest.approx(-1)


def test_a_zero_vector_has_cosine_zero_with_everything():
    inside, outside = alignment(torch.zeros(1, 2), torch.tensor([0]), EMBEDDINGS, LABELS)
    assert (inside.item(), outside.item()) == (0, 0)
    with_zero = torch.cat([EMBEDDINGS, torch.zeros(1, 2)]), torch.tensor([0, 0, 1, 1, 1, 0])
    inside, _ = alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), *with_zero)
    assert inside.item() == pytest.approx((1 + HALF + 0) / 3)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e6, 1e15])
def test_the_length_of_vectors_does_not_matter(scale):
    prototypes, classes, embeddings, labels = random_case()
    expected = alignment(prototypes, classes, embeddings, labels)
    torch.testing.assert_close(alignment(scale * prototypes, classes, embeddings / scale, labels), expected)


def test_turning_a_prototype_around_turns_both_signs():
    prototypes, classes, embeddings, labels = random_case()
    inside, outside = alignment(prototypes, classes, embeddings, labels)
    torch.testing.assert_close(alignment(-prototypes, classes, embeddings, labels), (-inside, -outside))


def test_the_order_of_the_embeddings_does_not_matter():
    prototypes, classes, embeddings, labels = random_case()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    expected = alignment(prototypes, classes, embeddings, labels)
    torch.testing.assert_close(alignment(prototypes, classes, embeddings[order], labels[order]), expected)


def test_prototypes_are_scored_one_by_one():
    prototypes, classes, embeddings, labels = random_case()
    parts = [alignment(p, c, embeddings, labels) for p, c in zip(prototypes.split(4), classes.split(4), strict=True)]
    joined = tuple(torch.cat(part) for part in zip(*parts, strict=True))
    torch.testing.assert_close(joined, alignment(prototypes, classes, embeddings, labels))


def test_the_numbers_of_the_classes_do_not_matter():
    prototypes, classes, embeddings, labels = random_case()
    expected = alignment(prototypes, classes, embeddings, labels)
    torch.testing.assert_close(alignment(prototypes, 5 * classes + 2, embeddings, 5 * labels + 2), expected)


def test_cosines_stay_between_minus_one_and_one():
    embeddings = torch.full((30, 5), 0.1)
    labels = torch.arange(30) % 2
    inside, outside = alignment(embeddings[:2], torch.tensor([0, 1]), embeddings, labels)
    for scores in (inside, outside):
        assert float(scores.max()) <= 1
        assert scores.tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_are_float64_from_either_precision(dtype):
    prototypes, classes, embeddings, labels = random_case()
    inside, outside = alignment(prototypes.to(dtype), classes, embeddings.to(dtype), labels)
    assert inside.dtype == outside.dtype == torch.float64
    expected = alignment(prototypes, classes, embeddings, labels)
    torch.testing.assert_close((inside, outside), expected, rtol=1e-5, atol=1e-6)


def test_inputs_stay_as_they_were():
    case = random_case()
    copies = [part.clone() for part in case]
    alignment(*case)
    assert all(torch.equal(*pair) for pair in zip(case, copies, strict=True))


@pytest.mark.parametrize(("prototypes", "embeddings"), [((2, 3), (5, 4)), ((3,), (5, 3)), ((2, 3), (5, 3, 1))])
def test_vectors_of_other_shapes_are_refused(prototypes, embeddings):
    with pytest.raises(ValueError, match=r"must be \(P, D\) and \(N, D\)"):
        alignment(torch.ones(prototypes), torch.zeros(2, dtype=torch.int64), torch.ones(embeddings), LABELS)


@pytest.mark.parametrize(("classes", "labels"), [(1, 5), (2, 4)])
def test_other_numbers_of_classes_and_labels_are_refused(classes, labels):
    with pytest.raises(ValueError, match="one class per prototype and one label per embedding"):
        alignment(torch.ones(2, 2), torch.zeros(classes, dtype=torch.int64), EMBEDDINGS, LABELS[:labels])


def test_a_prototype_without_a_class_is_refused():
    with pytest.raises(ValueError, match=r"a prototype without a class \(-1\)"):
        alignment(torch.ones(2, 2), torch.tensor([0, -1]), EMBEDDINGS, LABELS)


@pytest.mark.parametrize("missing", [2, 7])
def test_a_class_without_embeddings_is_refused_and_named(missing):
    with pytest.raises(ValueError, match=rf"prototypes of class \[{missing}\], but no embeddings"):
        alignment(torch.ones(2, 2), torch.tensor([0, missing]), EMBEDDINGS, LABELS)


def test_embeddings_of_one_class_alone_are_refused():
    with pytest.raises(ValueError, match="at least two classes"):
        alignment(torch.ones(1, 2), torch.tensor([0]), EMBEDDINGS, torch.zeros(5, dtype=torch.int64))


def test_no_embeddings_at_all_are_refused():
    with pytest.raises(ValueError, match="no embeddings"):
        alignment(torch.ones(1, 2), torch.tensor([0]), torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize("kind", ["TinyModel", "TinyCellModel"])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_meters_add_batches_up_to_the_score_of_the_whole_training_split(world, kind, batch_size):
    evaluation = world.make_evaluation(getattr(world, kind), batch_size=batch_size)
    train, model = evaluation.dataset.train, evaluation.model
    points, labels = model(train.batch(torch.arange(len(train))).images).embeddings, train.labels
    if points.ndim == 4:
        labels = labels[:, None].expand(-1, points[0, 0].numel()).reshape(-1)
        points = points.permute(0, 2, 3, 1).reshape(-1, 6)
    inside, outside = alignment(model.vectors, model.classes, points, labels)
    scores = world.read_meters(evaluation, [ALIGNMENT_CLASS, ALIGNMENT_OUT])
    torch.testing.assert_close(scores["alignment_class"].values, inside, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scores["alignment_class"].chance, outside, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scores["alignment_out"].values, outside, rtol=1e-6, atol=1e-6)


def test_a_model_whose_explanations_hold_no_embeddings_is_named(world):
    class Secretive(world.TinyModel):
        def forward(self, images):
            explanation = super().forward(images)
            object.__setattr__(explanation, "embeddings", None)
            return explanation

    with pytest.raises(ContractBroken, match="secretive declares embeddings but its explanations hold none"):
        world.read_meters(world.make_evaluation(Secretive, name="secretive"), [ALIGNMENT_CLASS])


@pytest.mark.parametrize("metric", [ALIGNMENT_CLASS, ALIGNMENT_OUT], ids=lambda metric: metric.name)
def test_meters_refuse_prototypes_without_a_class_as_the_function_does(world, metric):
    class Shared(world.TinyModel):
        @property
        def prototypes(self):
            return Prototypes(self.vectors, torch.tensor([-1, 1, 2, 0, 1, 2]))

    with pytest.raises((ValueError, ContractBroken), match="without a class"):
        world.read_meters(world.make_evaluation(Shared), [metric])
