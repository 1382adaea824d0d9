"""The controls: entries whose answer is known before anything is measured."""

import dataclasses
import math
import struct

import numpy as np
import pytest
import torch
from scipy import stats

from sembench.errors import FitImpossible, NotOffered
from sembench.metrics.diversity import diversity
from sembench.metrics.ghosting import ghosting
from sembench.metrics.lrp_kl import relevance_kl
from sembench.relevance.propagation import black_box_relevance, headless_relevance
from sembench.seeding import generator
from sembench_baselines.controls import Chance, Collapsed, Headless, Shuffled, content_keys, uniform_from
from sembench_baselines.kmex import RULES, KMEx, KMExModel

WORD = 2**64


def fit(recipe, backbone, train):
    return recipe.fit(backbone, train, generator=generator(7, "fit"))


def noise(name, count, side=33):
    return torch.randn(count, 3, side, side, generator=generator(0, name))


@pytest.fixture(scope="module")
def chance(backbone, train):
    return fit(Chance(), backbone, train)


@pytest.fixture(scope="module")
def collapsed(backbone, train):
    return fit(Collapsed(), backbone, train)


@pytest.fixture(scope="module")
def kmex(backbone, train):
    return fit(KMEx(), backbone, train)


@pytest.fixture(scope="module")
def headless(backbone, train):
    return fit(Headless(), backbone, train)


@pytest.fixture(scope="module")
def shuffled(backbone, train):
    return fit(Shuffled(), backbone, train)


CONTROLS = (Chance, Collapsed, Shuffled, Headless)


def test_all_of_them_say_that_they_are_controls():
    assert {recipe.kind for recipe in CONTROLS} == {"control"}


def test_controls_whose_maps_follow_no_rule_offer_none(chance, headless, collapsed, shuffled, images):
    assert collapsed.rules == shuffled.rules == RULES
    for model in (chance, headless):
        assert model.rules == ()
        with pytest.raises(NotOffered, match="has no rule 'prp'; its rules: none"):
            model.attribute_by("prp", images)


# --- random numbers from pixels --------------------------------------------------------------------------------------


def splitmix64(value):
    """The finalizer of SplitMix64 on Python's integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % WORD
    return value ^ (value >> 31)


def uniform_by_hand(key, count):
    """SplitMix64 from a key: 53 bits of each output, in the middle of their step."""
    states = [(key + step * 0x9E3779B97F4A7C15) % WORD for step in range(1, count + 1)]
    return [((splitmix64(state) >> 11) + 0.5) / 2**53 for state in states]


def test_the_second_implementation_gives_the_published_numbers():
    """The first outputs of SplitMix64 from seed 0, as in its reference implementation."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [splitmix64((step * 0x9E3779B97F4A7C15) % WORD) for step in (1, 2, 3)] == published


def test_numbers_from_keys_are_those_of_plain_integers():
    keys = [0, 1, -1, 12345, -(2**63), 2**63 - 1]
    found = uniform_from(torch.tensor(keys), 20)
    assert found.dtype == torch.float64
    for row, key in zip(found.tolist(), keys, strict=True):
        assert row == uniform_by_hand(key % WORD, 20)


def bits_of(number):
    """A single-precision number's bits as a signed integer."""
    return struct.unpack("<i", struct.pack("<f", number))[0]


def test_keys_mix_every_pixel_s_bits_with_its_place():
    """The mixed sum of bits times mixed places, made odd, again on plain integers."""
    images = torch.cat([noise("keys", 2, side=3), torch.zeros(1, 3, 3, 3)])
    found = [key % WORD for key in content_keys(images).tolist()]
    sums = [
        sum(bits_of(v) * (splitmix64(place) | 1) for place, v in enumerate(image.flatten().tolist())) % WORD
        for image in images
    ]
    assert found == [splitmix64(total) for total in sums]


def test_every_pixel_counts_for_the_key():
    image = noise("one image", 1, side=4)
    key = content_keys(image)
    for place in range(image.numel()):
        other = image.clone()
        other.view(-1)[place] += 0.5
        assert not torch.equal(content_keys(other), key), f"pixel {place} does not count"


def test_the_order_of_pixels_counts_for_the_key():
    image = noise("one image", 1)
    assert not torch.equal(content_keys(image), content_keys(image.flip(3)))
    assert not torch.equal(content_keys(image), content_keys(image.flip(1)))


def test_a_key_depends_on_the_image_alone():
    images = noise("images", 50)
    keys = content_keys(images)
    assert len(keys.unique()) == len(images)
    assert torch.equal(content_keys(images[10:20]), keys[10:20])
    assert torch.equal(content_keys(images.flip(0)).flip(0), keys)
    assert torch.equal(content_keys(images.to(memory_format=torch.channels_last)), keys)


def test_numbers_from_keys_depend_on_the_key_alone_and_go_on_where_they_were():
    keys = content_keys(noise("images", 8))
    numbers = uniform_from(keys, 30)
    assert torch.equal(uniform_from(keys[3:5], 30), numbers[3:5])
    assert torch.equal(uniform_from(keys, 10), numbers[:, :10])


def test_numbers_from_keys_look_uniform_and_independent():
    numbers = uniform_from(content_keys(noise("images", 300, side=5)), 100)
    assert bool(((numbers > 0) & (numbers < 1)).all())
    assert stats.kstest(numbers.flatten().numpy(), "uniform").pvalue > 0.01
    assert numbers.flatten().unique().numel() == numbers.numel()
    for shifted in (numbers[1:, :] * 1, numbers[:, 1:]):
        kept = numbers[: len(shifted), : shifted.shape[1]]
        correlation = np.corrcoef(kept.flatten().numpy(), shifted.flatten().numpy())[0, 1]
        assert abs(correlation) < 0.03


def test_keys_of_nearly_equal_images_give_unrelated_numbers():
    image = noise("one image", 1)
    images = image.repeat(200, 1, 1, 1)
    images[:, 1, 5, 7] = torch.linspace(0.5, 0.50001, 200)
    numbers = uniform_from(content_keys(images), 50)
    assert stats.kstest(numbers.flatten().numpy(), "uniform").pvalue > 0.01
    assert len(numbers[:, 0].unique()) > 100


# --- chance ----------------------------------------------------------------------------------------------------------


def test_chance_is_right_about_once_in_as_many_times_as_there_are_classes(chance):
    images = noise("many images", 4000, side=6)
    labels = torch.arange(4000) % 10
    with torch.no_grad():
        right = (chance(images).predictions == labels).sum().item()
    assert stats.binomtest(right, 4000, 0.1).pvalue > 0.01


def test_chance_favours_no_class_much(chance):
    with torch.no_grad():
        counts = chance(noise("many images", 4000, side=6)).predictions.bincount(minlength=10)
    assert counts.min() > 100
    assert counts.max() < 1000


def test_chance_embeds_images_into_normal_noise(chance, backbone):
    with torch.no_grad():
        embeddings = chance.embed(noise("images", 40))
    assert embeddings.shape == (40, backbone.dimension)
    assert stats.kstest(embeddings.flatten().double().numpy(), "norm").pvalue > 0.01


def test_chance_has_as_many_prototypes_of_a_class_as_asked_for(backbone, train):
    model = fit(Chance(prototypes_per_class=[1, 2, 3, 1, 2, 3, 1, 2, 3, 1]), backbone, train)
    assert torch.bincount(model.prototypes.classes).tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]
    assert model.prototypes.vectors.shape == (19, backbone.dimension)


def test_chance_depends_on_the_image_and_not_on_its_batch(chance, images):
    with torch.no_grad():
        explanation = chance(images)
    relevance = chance.attribute(images)
    for index in range(0, len(images), 5):
        one = images[index : index + 1]
        with torch.no_grad():
            torch.testing.assert_close(chance(one).similarities[0], explanation.similarities[index])
        assert torch.equal(chance.attribute(one)[0], relevance[index])


def test_chance_says_the_same_twice(chance, images):
    with torch.no_grad():
        assert torch.equal(chance(images).similarities, chance(images).similarities)
    assert torch.equal(chance.attribute(images), chance.attribute(images))


def test_the_relevance_of_chance_is_uniform_noise_of_its_own_for_every_image(chance, images):
    relevance = chance.attribute(images)
    assert relevance.shape == (len(images), *images.shape[2:])
    assert stats.kstest(relevance.flatten().double().numpy(), "uniform").pvalue > 0.01
    correlations = np.corrcoef(relevance.flatten(1).numpy()) - np.eye(len(images))
    assert np.abs(correlations).max() < 0.15


def test_the_relevance_of_chance_has_nothing_to_do_with_its_embedding(chance, images):
    count = 100
    embeddings = torch.special.ndtr(chance.embed(images)[:, :count].double())
    relevance = chance.attribute(images).flatten(1)[:, :count].double()
    correlation = np.corrcoef(embeddings.flatten().numpy(), relevance.flatten().numpy())[0, 1]
    assert abs(correlation) < 0.1


def test_another_seed_gives_chance_other_prototypes(chance, backbone, train):
    other = Chance().fit(backbone, train, generator=generator(8, "fit"))
    assert not torch.equal(other.prototypes.vectors, chance.prototypes.vectors)


# --- collapsed -------------------------------------------------------------------------------------------------------


def test_all_collapsed_prototypes_of_a_class_are_the_class_mean(collapsed, embeddings, train):
    for label in range(train.n_classes):
        own = collapsed.prototypes.vectors[collapsed.prototypes.classes == label]
        assert len(own) == 5
        assert bool((own == own[0]).all())
        torch.testing.assert_close(own[0], embeddings[train.labels == label].mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scope", ["own", "all"])
def test_collapsed_ghosts_all_prototypes_but_one_a_class(collapsed, embeddings, train, scope):
    with torch.no_grad():
        similarities = collapsed.explain(embeddings).similarities
    scores = ghosting(similarities, train.labels, collapsed.prototypes.classes, scope=scope)
    assert scores.mean().item() == pytest.approx(4 / 5, abs=1e-15)
    assert scores.view(10, 5).sum(1).tolist() == [4] * 10


@pytest.mark.parametrize("count", [2, 3])
def test_collapsed_ghosts_as_many_as_it_has_copies(backbone, embeddings, train, count):
    model = fit(Collapsed(prototypes_per_class=count), backbone, train)
    with torch.no_grad():
        scores = ghosting(model.explain(embeddings).similarities, train.labels, model.prototypes.classes)
    assert scores.mean().item() == pytest.approx((count - 1) / count, abs=1e-15)


def test_collapsed_has_the_worst_diversity_within_a_class(collapsed):
    scores = diversity(collapsed.prototype_similarities(), prototype_classes=collapsed.prototypes.classes)
    torch.testing.assert_close(scores, torch.ones_like(scores), rtol=0, atol=1e-12)


def test_collapsed_is_less_diverse_than_kmex(collapsed, kmex):
    worse, better = (diversity(model.prototype_similarities()).mean() for model in (collapsed, kmex))
    assert worse > better + 0.1


def test_collapsed_may_have_more_copies_than_images(backbone, train):
    model = fit(Collapsed(prototypes_per_class=100), backbone, train)
    assert len(model.prototypes) == 1000


@pytest.mark.parametrize("rule", RULES)
def test_collapsed_has_a_finite_map_under_every_rule(backbone, train, images, rule):
    model = fit(Collapsed(rule=rule), backbone, train)
    assert bool(torch.isfinite(model.attribute(images[:3])).all())


def test_collapsed_refuses_a_class_without_images(backbone, train):
    kept = train.labels != 2
    fewer = dataclasses.replace(train, pixels=train.pixels[kept], labels=train.labels[kept])
    with pytest.raises(FitImpossible, match="class 2 has no training image"):
        fit(Collapsed(), backbone, fewer)


# --- shuffled --------------------------------------------------------------------------------------------------------


def test_shuffled_decides_as_kmex_does(shuffled, kmex, images):
    assert torch.equal(shuffled.prototypes.vectors, kmex.prototypes.vectors)
    assert torch.equal(shuffled.prototypes.classes, kmex.prototypes.classes)
    assert torch.equal(shuffled.prototype_similarities(), kmex.prototype_similarities())
    with torch.no_grad():
        assert torch.equal(shuffled(images).similarities, kmex(images).similarities)
        assert torch.equal(shuffled(images).predictions, kmex(images).predictions)
        assert torch.equal(shuffled.probabilities(images), kmex.probabilities(images))


def test_the_bank_of_shuffled_holds_training_images(shuffled, train):
    pool = train.batch(torch.arange(len(train))).images
    assert len(shuffled.bank) == 64
    for image in shuffled.bank:
        assert bool((pool == image).flatten(1).all(1).any())
    assert len(shuffled.bank.flatten(1).unique(dim=0)) == 64


def test_the_map_of_shuffled_is_kmex_s_map_of_an_image_of_the_bank(shuffled, kmex, images):
    own = kmex.attribute(images)
    shown = shuffled.attribute(images)
    bank = kmex.attribute(shuffled.bank)
    size = bank.abs().amax()
    chosen = []
    for relevance, proper in zip(shown, own, strict=True):
        apart = (bank - relevance).abs().amax((1, 2)) / size
        chosen.append(int(apart.argmin()))
        assert apart.min() < 1e-4
        assert (relevance - proper).abs().max() > 0.01 * proper.abs().max()
    assert len(set(chosen)) > len(images) // 2


def test_the_map_of_shuffled_does_not_depend_on_targets_or_the_batch(shuffled, images):
    together = shuffled.attribute(images)
    assert torch.equal(shuffled.attribute(images, torch.zeros(len(images), dtype=torch.int64)), together)
    for index in (0, 7, 19):
        alone = shuffled.attribute(images[index : index + 1])[0]
        # rules divide by differences, which magnifies rounding where these are small
        torch.testing.assert_close(alone, together[index], rtol=1e-2, atol=1e-2 * alone.abs().max().item())


def test_the_bank_is_no_larger_than_the_training_set(backbone, train):
    few = dataclasses.replace(train, pixels=train.pixels[:50], labels=train.labels[:50])
    model = fit(Shuffled(), backbone, few)
    assert len(model.bank) == 50
    assert bool(torch.isfinite(model.attribute(noise("images", 3))).all())


def test_relevance_of_shuffled_conserves_the_probability_of_the_bank_s_image(backbone, train, images):
    model = fit(Shuffled(bias="zero"), backbone, train)
    with torch.no_grad():
        explanation = model(model.bank)
    seeds = model.class_probabilities(explanation).gather(1, explanation.predictions[:, None])[:, 0]
    for total in model.attribute(images[:5]).sum((1, 2)).tolist():
        assert min(math.fabs(total - seed) for seed in seeds.tolist()) < 5e-3


def test_shuffled_shows_the_maps_of_the_same_other_image_under_every_rule_and_for_every_prototype(shuffled, images):
    others = shuffled._others(images)
    kmex = KMExModel(shuffled.backbone, shuffled.prototypes, KMEx())
    for rule in RULES:
        assert torch.equal(shuffled.attribute_by(rule, images), kmex.attribute_by(rule, others))
    first = torch.zeros(len(images), dtype=torch.int64)
    assert torch.equal(shuffled.attribute_prototypes(images, first), kmex.attribute_prototypes(others, first))


# --- headless --------------------------------------------------------------------------------------------------------


def test_headless_decides_as_kmex_does(headless, kmex, images):
    assert torch.equal(headless.prototypes.vectors, kmex.prototypes.vectors)
    assert torch.equal(headless.prototype_similarities(), kmex.prototype_similarities())
    with torch.no_grad():
        assert torch.equal(headless(images).similarities, kmex(images).similarities)
        assert torch.equal(headless(images).predictions, kmex(images).predictions)
        assert torch.equal(headless.probabilities(images), kmex.probabilities(images))


def test_the_maps_of_headless_are_those_of_the_encoder_whatever_is_asked_for(headless, backbone, images):
    encoder = headless_relevance(backbone, images)
    close = {"rtol": 1e-3, "atol": 1e-5 * encoder.abs().max().item()}
    for prototype in (0, 17, 49):
        chosen = torch.full((len(images),), prototype)
        torch.testing.assert_close(headless.attribute_prototypes(images, chosen), encoder, **close)
    with torch.no_grad():
        odds = headless.probabilities(images)
    for shift in (0, 1):
        targets = (headless(images).predictions + shift) % 10
        seeds = odds.gather(1, targets[:, None])[:, :, None]
        torch.testing.assert_close(headless.attribute(images, targets), seeds * encoder, **close)


@pytest.mark.parametrize("bias", ["share", "zero"])
def test_lrp_kl_of_headless_is_the_level_without_a_head(backbone, train, images, bias):
    model = fit(Headless(bias=bias), backbone, train)
    reference = black_box_relevance(backbone, images, bias=bias)
    level = relevance_kl(headless_relevance(backbone, images, bias=bias), reference)
    assert bool((level > 0).all())
    torch.testing.assert_close(relevance_kl(model.attribute(images), reference), level, rtol=1e-3, atol=1e-7)
