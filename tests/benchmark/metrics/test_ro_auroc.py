import pytest
import torch

from sembench.evaluation.perturbation import area_under_curve, relevance_order_curve
from sembench.metrics.ro_auroc import RO_AUROC, RO_AUROC_GAIN


def first_pixel(images):
    """A classifier of two classes that looks at the first pixel of the first channel, and at nothing else."""
    evidence = images[:, 0, 0, 0]
    return torch.stack([evidence, 1 - evidence], 1)


def linear(images):
    pixels = images.flatten(1)
    weights = torch.arange(3 * pixels.shape[1], dtype=pixels.dtype).cos().view(3, -1)
    return (pixels @ weights.T).softmax(1)


def random_case(seed=0, count=5, channels=3, height=4, width=6):
    source = torch.Generator().manual_seed(seed)
    images, noise = (
        torch.randn(count, channels, height, width, generator=source, dtype=torch.float64) for _ in range(2)
    )
    return images, torch.randn(count, height, width, generator=source, dtype=torch.float64), noise


def test_a_map_that_points_at_the_decisive_pixel_keeps_the_decision_to_the_end():
    images, noise = torch.full((1, 1, 2, 2), 0.9), torch.full((1, 1, 2, 2), 0.2)
    curve = relevance_order_curve(first_pixel, images, torch.tensor([[[-4.0, 1], [2, 3]]]), noise, steps=4)
    assert curve[0].tolist() == pytest.approx([0.9, 0.9, 0.9, 0.9, 0.2])
    assert area_under_curve(curve).item() == pytest.approx(0.8125)


def test_a_map_that_points_elsewhere_loses_the_decision_at_once():
    images, noise = torch.full((1, 1, 2, 2), 0.9), torch.full((1, 1, 2, 2), 0.2)
    curve = relevance_order_curve(first_pixel, images, torch.tensor([[[0.1, 1], [2, -3]]]), noise, steps=4)
    assert curve[0].tolist() == pytest.approx([0.9, 0.2, 0.2, 0.2, 0.2])
    assert area_under_curve(curve).item() == pytest.approx(0.2875)


def test_ties_give_way_by_pixel_index_and_all_channels_at_once():
    seen = []

    def spy(images):
        seen.append(images[0].clone())
        return torch.ones(len(images), 2)

    relevance_order_curve(spy, torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2), torch.ones(1, 2, 2, 2), steps=4)
    replaced = torch.stack(seen).flatten(2)
    assert torch.equal(replaced[:, 0], replaced[:, 1])
    assert replaced[:, 0].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


def test_ties_between_signs_give_way_by_pixel_index_even_in_large_maps():
    relevance = torch.ones(1, 40, 40)
    relevance[0, ::2] = -1
    seen = []

    def spy(images):
        seen.append(images.flatten().clone())
        return torch.ones(len(images), 2)

    relevance_order_curve(spy, torch.zeros(1, 1, 40, 40), relevance, torch.ones(1, 1, 40, 40), steps=2)
    assert seen[1].tolist() == [1] * 800 + [0] * 800


@pytest.mark.parametrize(("pixels", "steps"), [(7, 3), (5, 32), (9, 2), (6, 6), (1, 1), (1, 4)])
def test_each_point_replaces_a_rounded_fraction_of_the_pixels(pixels, steps):
    counts = []

    def spy(images):
        counts.append(int(images.sum()))
        return torch.ones(len(images), 2)

    image, relevance = torch.zeros(1, 1, 1, pixels), torch.arange(float(pixels)).view(1, 1, -1)
    relevance_order_curve(spy, image, relevance, image + 1, steps=steps)
    assert counts == [round(step * pixels / steps) for step in range(steps + 1)]
    assert counts[0] == 0
    assert counts[-1] == pixels


def test_the_curve_follows_the_class_predicted_on_the_clean_image():
    images, noise = torch.tensor([[[[0.3]]], [[[0.8]]]]), torch.tensor([[[[0.9]]], [[[0.1]]]])
    curve = relevance_order_curve(first_pixel, images, torch.zeros(2, 1, 1), noise, steps=1)
    torch.testing.assert_close(curve, torch.tensor([[0.7, 0.1], [0.8, 0.1]]))


def test_the_first_point_is_the_clean_probability():
    images, relevance, noise = random_case()
    curve = relevance_order_curve(linear, images, relevance, noise, steps=5)
    assert torch.equal(curve[:, 0], linear(images).amax(1))


def test_the_last_point_is_pure_noise_whatever_the_relevance():
    images, relevance, noise = random_case()
    target = linear(images).argmax(1, keepdim=True)
    for order in (relevance, -relevance.exp(), torch.zeros_like(relevance)):
        curve = relevance_order_curve(linear, images, order, noise, steps=5)
        assert torch.equal(curve[:, -1:], linear(noise).gather(1, target))


def test_noise_equal_to_the_image_gives_a_flat_curve():
    images, relevance, _ = random_case()
    curve = relevance_order_curve(linear, images, relevance, images, steps=7)
    torch.testing.assert_close(curve, curve[:, :1].expand(-1, 8))


@pytest.mark.parametrize("transform", [lambda r: -r, lambda r: r**3, lambda r: 1e-30 * r, lambda r: r.abs().exp()])
def test_only_the_order_of_absolute_relevance_counts(transform):
    images, relevance, noise = random_case()
    curve = relevance_order_curve(linear, images, relevance, noise, steps=6)
    assert torch.equal(relevance_order_curve(linear, images, transform(relevance), noise, steps=6), curve)


def test_batches_together_give_what_the_whole_gives():
    case = random_case()
    parts = [relevance_order_curve(linear, *part, steps=6) for part in zip(*(x.split(2) for x in case), strict=True)]
    torch.testing.assert_close(torch.cat(parts), relevance_order_curve(linear, *case, steps=6))


def test_the_order_of_the_images_does_not_matter():
    case = random_case()
    backwards = [part.flip(0) for part in case]
    curve = relevance_order_curve(linear, *case, steps=6)
    torch.testing.assert_close(relevance_order_curve(linear, *backwards, steps=6).flip(0), curve)


def test_a_curve_costs_one_pass_a_point():
    calls = []

    def spy(images):
        calls.append(len(images))
        return linear(images)

    relevance_order_curve(spy, *random_case(), steps=6)
    assert calls == [5] * 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_either_precision_gives_the_same_curve(dtype):
    case = random_case()
    curve = relevance_order_curve(linear, *(part.to(dtype) for part in case), steps=6)
    assert curve.dtype == dtype
    torch.testing.assert_close(curve.double(), relevance_order_curve(linear, *case, steps=6), rtol=1e-4, atol=1e-5)


def test_curve_and_area_stay_between_zero_and_one():
    curve = relevance_order_curve(linear, *random_case(count=20))
    assert curve.shape == (20, 33)
    assert bool(((curve >= 0) & (curve <= 1)).all())
    assert bool(((area_under_curve(curve) >= 0) & (area_under_curve(curve) <= 1)).all())


def test_inputs_stay_as_they_were():
    case = random_case()
    copies = [part.clone() for part in case]
    area_under_curve(relevance_order_curve(linear, *case, steps=3))
    assert all(torch.equal(*pair) for pair in zip(case, copies, strict=True))


def test_no_images_have_no_curves():
    case = random_case(count=0)
    assert relevance_order_curve(linear, *case, steps=3).shape == (0, 4)


@pytest.mark.parametrize("steps", [0, -3])
def test_less_than_one_step_is_refused(steps):
    with pytest.raises(ValueError, match=f"steps is {steps}; at least 1 is needed"):
        relevance_order_curve(linear, *random_case(), steps=steps)


NOISE = r"noise .* must have the images' shape"
MAPS = r"must be \(N, ch, H, W\), relevance .* \(N, H, W\) of the same size"


@pytest.mark.parametrize(
    ("images", "relevance", "noise", "message"),
    [
        ((2, 1, 4, 4), (2, 4, 4), (2, 1, 4, 5), NOISE),
        ((2, 1, 4, 4), (2, 4, 5), (2, 1, 4, 4), MAPS),
        ((2, 1, 4, 4), (3, 4, 4), (2, 1, 4, 4), MAPS),
        ((2, 1, 4, 4), (2, 1, 4, 4), (2, 1, 4, 4), MAPS),
        ((2, 4, 4), (2, 4, 4), (2, 4, 4), MAPS),
        ((2, 3, 4, 4), (2, 4, 4), (2, 1, 4, 4), NOISE),
    ],
)
def test_shapes_that_do_not_fit_are_refused(images, relevance, noise, message):
    with pytest.raises(ValueError, match=message):
        relevance_order_curve(linear, torch.zeros(images), torch.zeros(relevance), torch.zeros(noise))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_relevance_that_is_not_finite_is_refused(value):
    images, relevance, noise = random_case()
    relevance[3, 0, 0] = value
    with pytest.raises(ValueError, match="relevance holds NaN or infinite values"):
        relevance_order_curve(linear, images, relevance, noise)


def test_areas_of_simple_curves_are_known():
    curves = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.5, 1.0], [0.0, 1.0, 0.0]])
    scores = area_under_curve(curves)
    assert scores.tolist() == pytest.approx([1, 0.25, 0.5, 0.5], abs=1e-15)
    assert scores.dtype == torch.float64


def test_the_ends_of_a_curve_weigh_half():
    assert area_under_curve(torch.tensor([[1.0, 0.0]])).item() == 0.5


@pytest.mark.parametrize("shape", [(3, 1), (3, 0), (5,), (2, 3, 4)])
def test_an_area_needs_curves_of_two_points(shape):
    with pytest.raises(ValueError, match=r"must be \(N, S\) with S of at least 2"):
        area_under_curve(torch.zeros(shape))


def test_meters_give_area_random_area_and_the_difference(world):
    evaluation = world.make_evaluation(steps=6)
    scores = world.read_meters(evaluation, [RO_AUROC, RO_AUROC_GAIN])
    ordered, random = (area_under_curve(curve) for curve in evaluation.relevance_order_curves)
    assert torch.equal(scores["ro_auroc"].values, ordered)
    assert torch.equal(scores["ro_auroc"].chance, random)
    assert torch.equal(scores["ro_auroc_gain"].values, ordered - random)
    assert scores["ro_auroc_gain"].chance == 0


def test_the_meter_keeps_both_mean_curves(world):
    evaluation = world.make_evaluation(steps=6)
    details = world.read_meters(evaluation, [RO_AUROC])["ro_auroc"].details
    ordered, random = evaluation.relevance_order_curves
    torch.testing.assert_close(details["curve"], ordered.mean(0))
    torch.testing.assert_close(details["random curve"], random.mean(0))
    torch.testing.assert_close(details["curve standard deviation"], ordered.std(0, correction=0))
    torch.testing.assert_close(details["random curve standard deviation"], random.std(0, correction=0))


def test_both_curves_start_and_end_at_the_same_points(world):
    ordered, random = world.make_evaluation(steps=6).relevance_order_curves
    torch.testing.assert_close(ordered[:, 0], random[:, 0])
    torch.testing.assert_close(ordered[:, -1], random[:, -1])
    assert not torch.allclose(ordered[:, 1:-1], random[:, 1:-1])


def test_the_curves_are_those_of_the_models_own_probabilities_decisions_and_prototype_maps(world):
    evaluation = world.make_evaluation(steps=6)
    with torch.no_grad():
        targets = evaluation.model(evaluation.sample.images).predictions
        expected = relevance_order_curve(
            evaluation.model.probabilities,
            evaluation.sample.images,
            evaluation.prototype_maps.relevance,
            evaluation.reference.noise,
            steps=6,
            targets=targets,
        )
    torch.testing.assert_close(evaluation.relevance_order_curves[0], expected, rtol=1e-4, atol=1e-5)
