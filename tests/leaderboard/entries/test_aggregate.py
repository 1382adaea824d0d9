import numpy as np
import pytest

from sembench.errors import ResultsMixed
from sembench_leaderboard.entries.entry import aggregate


def one(results):
    (entry,) = aggregate(results)
    return entry


def test_an_entry_is_the_mean_over_seeds_of_the_means_over_units(build):
    cells = [
        build.result({"ghosting": build.scored("ghosting", [1, 0, 0, 0])}, seed=0),
        build.result({"ghosting": build.scored("ghosting", [1, 1])}, seed=3),
    ]
    entry = one(cells[::-1])
    assert entry.value == pytest.approx((0.25 + 1.0) / 2)  # not the mean of the six scores, 0.5
    assert entry.low <= entry.value <= entry.high
    assert (entry.seeds, entry.units, entry.crossed) == ((0, 3), 6, False)
    assert (entry.status, entry.reason, entry.chance, entry.variants) == ("scored", None, None, {})


@pytest.mark.parametrize(("metric", "explained", "crossed"), [
    ("accuracy", [(1,), (2,)], True),  # the same test images, whatever is explained
    ("accuracy_train", [(1,), (2,)], True),
    ("lrp_kl", [(1, 2), (1, 2)], True),
    ("lrp_kl", [(1, 2), (1, 3)], False),
    ("diversity", [(1, 2), (1, 2)], False),  # prototypes are never the same ones
])  # fmt: skip
def test_units_are_crossed_with_seeds_where_they_are_the_same(build, metric, explained, crossed):
    cells = [
        build.result({metric: build.scored(metric, [0, 0.5])}, seed=seed, explained=sample)
        for seed, sample in enumerate(explained)
    ]
    entry = one(cells)
    assert entry.crossed is crossed
    assert entry.units == (2 if crossed else 4)


def test_chance_and_variants_are_averaged_like_the_value(build):
    def cell(seed, chance, reverse):
        score = build.scored("lrp_kl", [0.1, 0.2], chance=chance, variants={"reverse": reverse})
        return build.result({"lrp_kl": score}, seed=seed)

    entry = one([cell(0, (0.2, 0.4), (1.0, 3.0)), cell(1, 0.5, (5.0, 7.0))])
    assert entry.chance == pytest.approx((0.3 + 0.5) / 2)
    assert entry.variants == {"reverse": pytest.approx(4.0)}


def test_not_applicable_in_every_seed_is_a_status_with_its_reasons(build):
    cells = [
        build.result({"ghosting": build.not_applicable("ghosting", reason)}, seed=seed)
        for seed, reason in enumerate(["no prototypes", "none found", "no prototypes"])
    ]
    entry = one(cells)
    assert (entry.status, entry.reason) == ("not applicable", "no prototypes; none found")
    assert (entry.value, entry.low, entry.high, entry.chance, entry.units) == (None, None, None, None, 0)
    assert entry.measure == build.measure("ghosting")


def test_order_is_reference_explainers_controls_then_names_then_known_columns(build):
    scores = {name: build.scored(name, [0.5]) for name in ("zeta", "diversity", "accuracy", "alpha", "ghosting")}
    kinds = {"zz": "reference", "b": "explainer", "a": "explainer", "aa": "control"}
    entries = aggregate(build.result(scores, explainer=name, kind=kind) for name, kind in kinds.items())
    assert list(dict.fromkeys(e.explainer for e in entries)) == ["zz", "a", "b", "aa"]
    assert [e.metric for e in entries][:5] == ["accuracy", "ghosting", "diversity", "alpha", "zeta"]


def test_another_entry_changes_no_interval(synthetic_suite):
    everything = aggregate(synthetic_suite)
    alone = aggregate(result for result in synthetic_suite if result.explainer == "kmex")
    assert alone == tuple(entry for entry in everything if entry.explainer == "kmex")


def test_intervals_are_wider_with_fewer_images(build):
    def width(count):
        values = np.random.default_rng(0).random(count) < 0.8
        entry = one([build.result({"accuracy": build.scored("accuracy", values)})])
        return entry.high - entry.low

    assert width(100) > 2 * width(10_000)


@pytest.mark.parametrize(("second", "what"), [
    ("not applicable", "a score"), ("missing", "a score"), ("no chance", "a chance level"),
    ("no variant", "variant 'reverse'"),
])  # fmt: skip
def test_seeds_that_differ_in_what_they_have_are_refused(build, second, what):
    full = build.scored("lrp_kl", [0.1], chance=0.5, variants={"reverse": (0.2,)})
    score = {
        "not applicable": build.not_applicable("lrp_kl", "no maps"),
        "missing": None,
        "no chance": full.model_copy(update={"chance": None}),
        "no variant": full.model_copy(update={"variants": {}}),
    }[second]
    cells = [
        build.result({"lrp_kl": full}, seed=0),
        build.result({"lrp_kl": score} if score else {}, seed=7),
    ]
    with pytest.raises(
        ResultsMixed, match=rf"lrp_kl of kmex on digits \(suite quick\) has {what} in seed 0 but not in seed 7"
    ):
        aggregate(cells)


def test_a_variant_that_one_model_cannot_have_is_left_out_and_the_others_stay(build):
    asked = {"evaluation": {"variants": True}}
    whole = build.scored("diversity", [0.1], variants={"within class": (0.2,), "other": (0.3,)})
    part = build.scored("diversity", [0.3], variants={"other": (0.5,)})
    cells = [build.result({"diversity": score}, seed=seed, settings=asked) for seed, score in enumerate((part, whole))]
    entry = one(cells)
    assert entry.value == pytest.approx(0.2)
    assert entry.variants == {"other": pytest.approx(0.4)}


def test_not_applicable_in_one_seed_and_missing_in_another_is_refused(build):
    cells = [build.result({"lrp_kl": build.not_applicable("lrp_kl", "no maps")}, seed=0), build.result({}, seed=1)]
    with pytest.raises(ResultsMixed, match="a reason why there is no score in seed 0 but not in seed 1"):
        aggregate(cells)


def test_different_numbers_of_test_images_are_refused(build):
    cells = [build.result({"accuracy": build.scored("accuracy", [1] * count)}, seed=count) for count in (2, 3)]
    with pytest.raises(ResultsMixed, match="different numbers of test images: 2 in seed 2, 3 in seed 3"):
        aggregate(cells)


def test_levels_are_averaged_like_the_value_and_notes_joined(build):
    def cell(seed, level, note):
        score = build.scored("lrp_kl", [0.1, 0.1], levels={"headless": (level, level + 0.2)}, note=note)
        return build.result({"lrp_kl": score}, seed=seed)

    (entry,) = aggregate([cell(0, 0.1, "b"), cell(1, 0.3, "a"), cell(2, 0.5, "")])
    assert entry.levels == {"headless": pytest.approx(0.4)}
    assert entry.note == "a; b"


def test_a_level_in_some_seeds_only_is_refused(build):
    levels = ({"headless": (0.1,)}, {})
    cells = [build.result({"lrp_kl": build.scored("lrp_kl", [1], levels=own)}, seed=n) for n, own in enumerate(levels)]
    with pytest.raises(ResultsMixed, match="has the level 'headless' in seed 0 but not in seed 1"):
        aggregate(cells)
