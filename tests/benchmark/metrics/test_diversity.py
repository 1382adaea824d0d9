import math

import pytest
import torch

from sembench.metrics.diversity import DIVERSITY, diversity
from sembench.similarity import similarity


def random_matrix(size=9, seed=0):
    return 3 * torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("count", [2, 5, 50])
@pytest.mark.parametrize("value", [0.0, -7.5, 1e6])
def test_prototypes_that_are_all_alike_score_exactly_one(count, value):
    scores = diversity(torch.full((count, count), value))
    assert scores.tolist() == pytest.approx([1] * count, abs=1e-12)
    assert float(scores.max()) <= 1


def test_prototypes_that_resemble_only_themselves_score_zero():
    scores = diversity(-1e6 * (1 - torch.eye(5)))
    assert scores.tolist() == [0] * 5


def test_odds_of_three_to_one_are_known():
    similarities = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert diversity(similarities).tolist() == pytest.approx([expected, 1.0], rel=1e-12)


def test_classes_that_collapsed_score_one_within_the_class_and_less_over_all():
    classes = torch.tensor([0, 0, 0, 1, 1, 1])
    similarities = torch.where(classes[:, None] == classes[None], 0.0, -50.0)
    assert diversity(similarities, prototype_classes=classes).tolist() == pytest.approx([1] * 6)
    assert diversity(similarities).tolist() == pytest.approx([math.log(3) / math.log(6)] * 6)


def test_within_the_class_other_classes_do_not_matter():
    classes = torch.tensor([0, 1, 0, 1, 0, 1])
    similarities = random_matrix(6)
    changed = torch.where(classes[:, None] == classes[None], similarities, 1e3 * random_matrix(6, seed=1))
    assert torch.equal(
        diversity(similarities, prototype_classes=classes), diversity(changed, prototype_classes=classes)
    )


def test_one_class_for_all_is_the_score_over_all():
    similarities = random_matrix()
    same = diversity(similarities, prototype_classes=torch.full((9,), 4))
    torch.testing.assert_close(same, diversity(similarities), rtol=1e-12, atol=0)


def test_a_constant_added_to_a_row_does_not_matter():
    similarities = random_matrix()
    shifted = similarities + torch.linspace(-100, 100, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(diversity(shifted), diversity(similarities), rtol=1e-9, atol=1e-12)


def test_the_order_of_the_prototypes_does_not_matter():
    similarities, classes = random_matrix(), torch.tensor([0, 1, 2] * 3)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    moved = similarities[order][:, order]
    torch.testing.assert_close(diversity(moved), diversity(similarities)[order])
    torch.testing.assert_close(
        diversity(moved, prototype_classes=classes[order]), diversity(similarities, prototype_classes=classes)[order]
    )


def test_a_share_that_underflows_adds_nothing_and_is_no_nan():
    similarities = torch.tensor([[0.0, 0.0, -1e5], [0.0, 0.0, -1e5], [-1e300, 1e300, 0.0]], dtype=torch.float64)
    expected = [math.log(2) / math.log(3)] * 2 + [0.0]
    assert diversity(similarities).tolist() == pytest.approx(expected, abs=1e-12)


def test_scores_stay_between_zero_and_one():
    scores = torch.cat([diversity(scale * random_matrix(seed=seed)) for seed in range(20) for scale in (0, 1, 1e4)])
    assert bool(((scores >= 0) & (scores <= 1)).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_are_computed_in_float64_from_either_precision(dtype):
    similarities = random_matrix().to(dtype)
    scores = diversity(similarities)
    assert scores.dtype == torch.float64
    assert torch.equal(scores, diversity(similarities.double()))


def test_inputs_stay_as_they_were():
    similarities, classes = random_matrix(), torch.tensor([0, 1, 2] * 3)
    copies = similarities.clone(), classes.clone()
    diversity(similarities)
    diversity(similarities, prototype_classes=classes)
    assert torch.equal(similarities, copies[0])
    assert torch.equal(classes, copies[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_more_than_25_prototypes_far_from_the_origin_resemble_themselves_fully(dtype):
    """The trap of `torch.cdist`: a matrix product above 25 rows, and self-distances that are not zero."""
    vectors = torch.randn(30, 64, generator=torch.Generator().manual_seed(0), dtype=dtype) + 100
    similarities = similarity("log")(vectors, vectors)
    assert similarities.diagonal().tolist() == pytest.approx([math.log(1 / 1e-4)] * 30)
    exact = diversity(similarity("log")(vectors.double(), vectors.double()))
    torch.testing.assert_close(diversity(similarities), exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4), (9,), (2, 3, 3)])
def test_a_matrix_that_is_not_square_is_refused(shape):
    with pytest.raises(ValueError, match=r"must be square, \(P, P\)"):
        diversity(torch.zeros(shape))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_similarities_that_are_not_finite_are_refused(value):
    similarities = random_matrix()
    similarities[1, 2] = value
    with pytest.raises(ValueError, match="NaN or infinite values; every entry must be finite"):
        diversity(similarities)


def test_other_numbers_of_classes_than_prototypes_are_refused():
    with pytest.raises(ValueError, match=r"prototype_classes \(8,\) must be \(9,\)"):
        diversity(random_matrix(), prototype_classes=torch.zeros(8, dtype=torch.int64))


def test_a_single_prototype_is_refused():
    with pytest.raises(ValueError, match="undefined for a single prototype"):
        diversity(torch.zeros(1, 1))


def test_a_class_of_a_single_prototype_is_refused():
    with pytest.raises(ValueError, match="undefined for a single prototype"):
        diversity(random_matrix(3), prototype_classes=torch.tensor([0, 0, 1]))


def test_the_meter_reads_the_models_own_similarity(world):
    evaluation = world.make_evaluation(variants=True)
    scores = world.read_meters(evaluation, [DIVERSITY])["diversity"]
    own, classes = evaluation.model.prototype_similarities(), evaluation.model.classes
    assert torch.equal(scores.values, diversity(own))
    assert torch.equal(scores.variants["within class"], diversity(own, prototype_classes=classes))


def test_the_variant_within_the_class_is_left_out_where_a_class_has_one_prototype(world):
    class Uneven(world.TinyModel):
        def __init__(self, backbone, data):
            super().__init__(backbone, data)
            self.vectors, self.classes = self.vectors[:5], self.classes[:5]

    scores = world.read_meters(world.make_evaluation(Uneven, variants=True), [DIVERSITY])["diversity"]
    assert scores.values.shape == (5,)
    assert scores.variants == {}
