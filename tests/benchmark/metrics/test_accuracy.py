import pytest
import torch

from sembench.metrics.accuracy import ACCURACY, ACCURACY_GAP, ACCURACY_TRAIN, accuracy


def test_one_of_four_wrong_is_known():
    scores = accuracy(torch.tensor([2, 0, 1, 1]), torch.tensor([2, 0, 0, 1]))
    assert scores.tolist() == [1, 1, 0, 1]
    assert scores.dtype == torch.float64


def test_labels_are_not_matched_to_predictions():
    assert accuracy(torch.tensor([1, 0, 1, 0]), torch.tensor([0, 1, 0, 1])).sum() == 0


def test_batches_together_give_what_the_whole_gives():
    source = torch.Generator().manual_seed(0)
    predictions, labels = (torch.randint(0, 3, (11,), generator=source) for _ in range(2))
    parts = [accuracy(p, y) for p, y in zip(predictions.split(4), labels.split(4), strict=True)]
    assert torch.equal(torch.cat(parts), accuracy(predictions, labels))


def test_integers_of_any_width_are_classes():
    assert accuracy(torch.tensor([1, 2], dtype=torch.int32), torch.tensor([1, 1])).tolist() == [1, 0]


def test_no_images_have_no_scores():
    empty = torch.zeros(0, dtype=torch.int64)
    assert accuracy(empty, empty).shape == (0,)


def test_class_scores_in_place_of_predictions_are_refused_with_a_hint():
    with pytest.raises(ValueError, match=r"\(4, 3\).*Of class scores, give the argmax"):
        accuracy(torch.zeros(4, 3, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))


def test_other_numbers_of_predictions_than_labels_are_refused():
    with pytest.raises(ValueError, match=r"predictions \(3,\) and labels \(4,\) must both be \(N,\)"):
        accuracy(torch.zeros(3, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize("floating", [0, 1])
def test_classes_that_are_no_integers_are_refused(floating):
    inputs = [torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)]
    inputs[floating] = inputs[floating].float()
    with pytest.raises(ValueError, match="give both as integers"):
        accuracy(*inputs)


def test_meters_score_their_own_split_in_the_order_of_its_images(world):
    evaluation = world.make_evaluation()
    scores = world.read_meters(evaluation, [ACCURACY, ACCURACY_TRAIN])
    for metric, split in ((ACCURACY, evaluation.dataset.test), (ACCURACY_TRAIN, evaluation.dataset.train)):
        whole = split.batch(torch.arange(len(split)))
        expected = evaluation.model(whole.images).predictions == whole.labels
        assert scores[metric.name].values.tolist() == expected.double().tolist()
        assert scores[metric.name].chance == pytest.approx(1 / 3)


def test_gap_is_in_points_and_paired_with_the_black_box_image_by_image(world):
    evaluation = world.make_evaluation()
    whole = evaluation.dataset.test.batch(torch.arange(17))
    model = evaluation.model(whole.images).predictions == whole.labels
    black_box = evaluation.reference.backbone(whole.images).argmax(1) == whole.labels
    assert bool((model & ~black_box).any()), "the case must hold an image that only the model gets right"
    assert bool((~model & black_box).any()), "and one that only the black box gets right"
    scores = world.read_meters(evaluation, [ACCURACY_GAP])["accuracy_gap"]
    assert scores.values.tolist() == (100 * (model.double() - black_box.double())).tolist()


def test_a_decision_of_the_models_own_counts_and_not_the_largest_score(world):
    class Contrary(world.TinyModel):
        """Breaks every tie, and all else, in favour of class 2."""

        def forward(self, images):
            explanation = super().forward(images)
            object.__setattr__(explanation, "decisions", torch.full((len(images),), 2))
            return explanation

    evaluation = world.make_evaluation(Contrary)
    scores = world.read_meters(evaluation, [ACCURACY])["accuracy"]
    assert scores.values.tolist() == (evaluation.dataset.test.labels == 2).double().tolist()
