"""Timings: what is run, on which images, how often; the seconds themselves are nobody's to know."""

import pytest

from sembench.backbones.feature_cache import FeatureCache
from sembench.errors import RelevanceUndefined
from sembench.running import timing as module
from sembench.running.timing import SINGLES, timing
from tiny_world import TinyModel, make_backbone, make_evaluation

FIELDS = {"predict_seconds_single", "predict_seconds_per_image"}
EXPLAINED = {"explain_seconds_single", "explain_seconds_per_image", "explain_images"}


class Recording(TinyModel):
    """Writes down the batch of every call."""

    def __init__(self, *given):
        super().__init__(*given)
        self.asked = []

    def forward(self, images):
        self.asked.append(("classify", len(images)))
        return super().forward(images)

    def attribute_prototypes(self, images, prototypes):
        self.asked.append(("explain", len(images)))
        return images.sum(1)


@pytest.fixture
def evaluation():
    return make_evaluation(Recording, explained_images=17, batch_size=7)


def test_a_single_image_is_timed_after_one_that_warms_up_and_a_batch_beside_it(evaluation):
    assert set(timing(evaluation, explains=False)) == FIELDS
    sizes = [1] + [1] * SINGLES + [7, 7, 3]  # to warm up, one at a time, in batches
    assert evaluation.model.asked == [("classify", size) for size in sizes]


def test_what_is_explained_is_the_map_that_the_model_shows(evaluation):
    found = timing(evaluation, explains=True)
    assert set(found) == FIELDS | EXPLAINED
    asked = evaluation.model.asked[1 + SINGLES + 3 :]
    sizes = [1] + [1] * SINGLES + [7, 7, 3]
    assert asked == [(what, size) for size in sizes for what in ("classify", "explain")]


def test_the_median_of_the_single_images_counts_and_the_sum_of_the_batches(evaluation, monkeypatch):
    """The clock is read before and after each piece of work; the slow first single image does not count."""
    lasted = iter([90.0, 4, 1, 2, 3, 5, 6, 7, 8, 9, 17, 17, 17])
    now, begun = [0.0], [False]

    def clock(device):
        begun[0] = not begun[0]
        if not begun[0]:
            now[0] += next(lasted)
        return now[0]

    monkeypatch.setattr(module, "clock", clock)
    found = timing(evaluation, explains=False)
    assert found == {"predict_seconds_single": 5.5, "predict_seconds_per_image": pytest.approx(3)}


def test_few_explained_images_are_all_timed():
    few = make_evaluation(Recording, explained_images=3, batch_size=7)
    timing(few, explains=False)
    assert [size for _, size in few.model.asked] == [1, 1, 1, 1, 3]


def test_timed_passes_are_made_although_they_are_known_and_count_for_nobody():
    backbone, made = make_backbone(), []
    backbone.feature_cache = FeatureCache(10**9)
    evaluation = make_evaluation(backbone=backbone, explained_images=3, batch_size=5)
    evaluation.explain(evaluation.sample)  # the feature maps are known from now on
    handle = backbone.blocks[0].register_forward_pre_hook(lambda _, inputs: made.append(len(inputs[0])))
    with evaluation.counter:
        found = timing(evaluation, explains=False)
        assert made == [1, 1, 1, 1, 3]
        timing(evaluation, explains=True)
    handle.remove()
    assert set(found) == FIELDS
    assert (evaluation.counter.passes, evaluation.counter.images) == (0, 0)


def test_a_model_without_probabilities_is_timed():
    class Silent(TinyModel):
        def class_probabilities(self, explanation):
            raise NotImplementedError("nothing is calibrated")

    assert set(timing(make_evaluation(Silent, explained_images=3), explains=False)) == FIELDS


class Undefined(TinyModel):
    def attribute_prototypes(self, images, prototypes=None):
        raise RelevanceUndefined("its step 'sin' has no rule of relevance")

    attribute = attribute_prototypes


def test_maps_that_are_not_defined_have_no_time():
    assert set(timing(make_evaluation(Undefined, explained_images=3), explains=True)) == FIELDS
