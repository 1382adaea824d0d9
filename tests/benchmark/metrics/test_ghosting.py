import pytest
import torch

from sembench.errors import ContractBroken
from sembench.metrics.ghosting import GHOSTING, ghosting

SIMILARITIES = torch.tensor(
    [
        [0.9, 0.1, 0.2, 0.0],  # class 0: prototype 0
        [0.4, 0.8, 0.9, 0.0],  # class 0: prototype 1 among its own, prototype 2 among all
        [0.9, 0.1, 0.5, 0.4],  # class 1: prototype 2 among its own, prototype 0 among all
    ]
)
LABELS, CLASSES = torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1, 1])


def random_case(seed=0, points=30, prototypes=8, ties=False):
    source = torch.Generator().manual_seed(seed)
    similarities = torch.randn(points, prototypes, generator=source, dtype=torch.float64)
    if ties:
        similarities = similarities.round()
    return similarities, torch.arange(points) % 3, torch.arange(prototypes) % 3


def test_among_its_own_class_only_the_last_prototype_is_ghosted():
    assert ghosting(SIMILARITIES, LABELS, CLASSES).tolist() == [0, 0, 0, 1]


def test_among_all_prototypes_a_win_in_another_class_counts_for_nobody():
    assert ghosting(SIMILARITIES, LABELS, CLASSES, scope="all").tolist() == [0, 1, 1, 1]


def test_copies_of_one_prototype_leave_all_but_the_first_ghosted():
    similarities = torch.tensor([0.3, 0.7, 0.1])[:, None].expand(3, 5)
    scores = ghosting(similarities, torch.zeros(3, dtype=torch.int64), torch.zeros(5, dtype=torch.int64))
    assert scores.tolist() == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("scope", ["own", "all"])
def test_prototypes_without_a_class_are_used_by_any_point(scope):
    similarities = torch.tensor([[0.9, 0.1, 0.2], [0.1, 0.2, 0.9]])
    scores = ghosting(similarities, torch.tensor([0, 1]), torch.tensor([-1, -1, -1]), scope=scope)
    assert scores.tolist() == [0, 1, 0]


def test_a_class_without_points_has_only_ghosts():
    assert ghosting(SIMILARITIES, torch.zeros(3, dtype=torch.int64), CLASSES).tolist() == [0, 0, 1, 1]


def test_points_of_a_class_without_prototypes_use_none():
    assert ghosting(SIMILARITIES, torch.full((3,), 7), CLASSES).tolist() == [1, 1, 1, 1]


def test_every_point_uses_one_prototype_at_most():
    similarities, labels, classes = random_case(points=4, prototypes=9, ties=True)
    assert (ghosting(similarities, labels, classes) == 0).sum() <= 4


def test_no_points_leave_every_prototype_ghosted():
    assert ghosting(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), torch.tensor([0, 1, -1])).tolist() == [
        1,
        1,
        1,
    ]


def test_no_prototypes_have_no_scores():
    assert ghosting(torch.zeros(3, 0), LABELS, torch.zeros(0, dtype=torch.int64)).shape == (0,)


def test_a_point_at_minus_infinity_from_its_only_prototype_still_uses_it():
    similarities = torch.tensor([[0.0, -torch.inf]])
    assert ghosting(similarities, torch.tensor([1]), torch.tensor([0, 1])).tolist() == [1, 0]


@pytest.mark.parametrize("scope", ["own", "all"])
@pytest.mark.parametrize("transform", [lambda s: 3 * s - 7, torch.exp, lambda s: s**3, torch.atan])
def test_only_the_order_of_similarities_counts(scope, transform):
    similarities, labels, classes = random_case()
    before = ghosting(similarities, labels, classes, scope=scope)
    assert torch.equal(ghosting(transform(similarities), labels, classes, scope=scope), before)


@pytest.mark.parametrize("scope", ["own", "all"])
def test_chunks_of_points_combine_by_their_minimum(scope):
    similarities, labels, classes = random_case(ties=True)
    whole = ghosting(similarities, labels, classes, scope=scope)
    parts = [
        ghosting(rows, truth, classes, scope=scope)
        for rows, truth in zip(similarities.split(7), labels.split(7), strict=True)
    ]
    assert torch.equal(torch.stack(parts).amin(0), whole)
    assert bool(whole.eq(0).any()), "a case where all are ghosted would prove nothing"


@pytest.mark.parametrize("scope", ["own", "all"])
def test_more_points_never_ghost_more_prototypes(scope):
    similarities, labels, classes = random_case()
    fewer = ghosting(similarities[:10], labels[:10], classes, scope=scope)
    assert bool((ghosting(similarities, labels, classes, scope=scope) <= fewer).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_are_float64_zeros_and_ones_for_similarities_of_either_precision(dtype):
    similarities, labels, classes = random_case(points=6)
    scores = ghosting(similarities.to(dtype), labels, classes)
    assert scores.dtype == torch.float64
    assert set(scores.tolist()) == {0.0, 1.0}


def test_inputs_stay_as_they_were():
    case = random_case()
    copies = [part.clone() for part in case]
    ghosting(*case)
    ghosting(*case, scope="all")
    assert all(torch.equal(*pair) for pair in zip(case, copies, strict=True))


def test_an_unknown_scope_is_refused_with_the_accepted_ones():
    with pytest.raises(ValueError, match="unknown scope 'class'; accepted are 'own' and 'all'"):
        ghosting(SIMILARITIES, LABELS, CLASSES, scope="class")


@pytest.mark.parametrize(
    ("similarities", "labels", "classes"),
    [
        (SIMILARITIES[:2], LABELS, CLASSES),
        (SIMILARITIES, LABELS, CLASSES[:3]),
        (SIMILARITIES.T, LABELS, CLASSES),
        (SIMILARITIES[..., None], LABELS, CLASSES),
    ],
)
def test_shapes_that_do_not_fit_are_refused(similarities, labels, classes):
    with pytest.raises(ValueError, match="one row per label and one column per prototype"):
        ghosting(similarities, labels, classes)


def test_a_similarity_that_is_no_number_is_refused():
    similarities = SIMILARITIES.clone()
    similarities[1, 2] = torch.nan
    with pytest.raises(ValueError, match="similarities hold NaN"):
        ghosting(similarities, LABELS, CLASSES)


@pytest.mark.parametrize("kind", ["TinyModel", "TinyCellModel"])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_meter_combines_batches_to_the_score_of_the_whole_training_split(world, kind, batch_size):
    evaluation = world.make_evaluation(getattr(world, kind), batch_size=batch_size, variants=True)
    train = evaluation.dataset.train
    explanation = evaluation.model(train.batch(torch.arange(len(train))).images)
    similarities, labels = explanation.similarities, train.labels
    if explanation.similarity_maps is not None:
        similarities = explanation.similarity_maps.permute(0, 2, 3, 1).reshape(-1, 6)
        labels = labels[:, None].expand(-1, explanation.similarity_maps[0, 0].numel()).reshape(-1)
    scores = world.read_meters(evaluation, [GHOSTING])["ghosting"]
    assert torch.equal(scores.values, ghosting(similarities, labels, evaluation.model.classes))
    assert torch.equal(
        scores.variants["scope=all"], ghosting(similarities, labels, evaluation.model.classes, scope="all")
    )


def test_a_model_of_cells_that_gives_no_maps_is_named(world):
    class Mapless(world.TinyModel):
        points = "cell"

    with pytest.raises(ContractBroken, match=r"mapless compares cells .* but gives no similarity_maps"):
        world.read_meters(world.make_evaluation(Mapless, name="mapless"), [GHOSTING])
