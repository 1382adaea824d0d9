"""A world in which every claim of the papers holds, and for each claim what has to change there for it to fail.

Scores are constant, so that intervals have no width: a verdict follows from the numbers below alone. The uncertainty
of verdicts is tested elsewhere. Rows of `WORLD` are an entry and its scores; `SOMEWHERE` has what differs on one data
set; a row of `CHANGES` is a claim and the scores that refute it, on all data sets or on those named after them.
"""

from functools import cache

import pytest

import builders
from sembench_leaderboard.claims.declared import CLAIMS
from sembench_leaderboard.claims.verdict import examine

DATASETS = ("mnist", "fashion-mnist", "svhn", "cifar10", "stl10", "celeba", "cub")
SUPERVISED = ("flint", "protopnet", "protovae")
FEW, MANY = {"max_rows": 1_000}, {"max_rows": 100_000}

KMEX = {
    "accuracy": 0.897, "ghosting": 0, "lrp_kl": 0.01, "ro_auroc": 0.69, "diversity": 0.001, "alignment_class": 0.9,
    "alignment_out": 0.3, "training_seconds": 51, "predict_seconds_single": 0.001,
}  # fmt: skip
WORLD = {
    "blackbox": {"accuracy": 0.9, "ro_auroc": 0.7},
    "cnn": {"accuracy": 0.9, "alignment_class": 0.5, "alignment_out": 0.05},
    "kmex": KMEX | {"attributes_captured": 0.6, "attribute_correlation": 0.2},
    "kmex-1": KMEX | {"attributes_captured": 0.2, "attribute_correlation": 0.4},
    "kmex-10": KMEX | {"attributes_captured": 0.8, "attribute_correlation": 0.1},
    "kmex-l1": KMEX | {"ro_auroc": 0.5}, "kmex-squared": KMEX | {"ro_auroc": 0.5},
    "kmex-log": KMEX | {"ro_auroc": 0.1, "diversity": 0.02}, "kmex-log2": KMEX | {"ro_auroc": 0.1, "diversity": 0.02},
    "kmex-dot": KMEX | {"ro_auroc": 0.3, "accuracy": 0.5}, "kmex-cosine": KMEX | {"ro_auroc": 0.2},
    "kmex-ned": KMEX | {"ro_auroc": 0.2}, "kmex-bisecting": {"accuracy": 0.8}, "kmex-patches": {"accuracy": 0.8},
    "flint": {
        "accuracy": 0.872, "ghosting": 0.3, "lrp_kl": 0.9, "ro_auroc": 0.3, "diversity": 0.9, "range": 0.05,
        "training_seconds": 200, "predict_seconds_single": 0.002,
        "attributes_captured": 0.3, "attribute_correlation": 0.3,
    },
    "protopnet": {
        "accuracy": 0.89, "ghosting": 0.25, "lrp_kl": 0.4, "ro_auroc": 0.66, "diversity": 0.3,
        "training_seconds": 200, "predict_seconds_single": 0.002,
        "attributes_captured": 0.5, "attribute_correlation": 0.5,
    },
    "protovae": {
        "accuracy": 0.872, "ghosting": 0.2, "lrp_kl": 0.5, "ro_auroc": 0.68, "diversity": 0.02,
        "training_seconds": 200, "predict_seconds_single": 0.002, "ro_auroc_gain": -0.1, "rise": -0.2,
        "attributes_captured": 0.5, "attribute_correlation": 0.2,
    },
    "kmex(flint)": {"diversity": 0.01, "attributes_captured": 0.7, "attribute_correlation": 0.15},
    "kmex(protopnet)": {"diversity": 0.5, "attributes_captured": 0.6, "attribute_correlation": 0.45},
    "kmex(protovae)": {"diversity": 0.03, "attributes_captured": 0.6, "attribute_correlation": 0.15},
    "flint-10": {"attributes_captured": 0.4, "attribute_correlation": 0.3},
    "protopnet-10": {"attributes_captured": 0.6, "attribute_correlation": 0.4},
    "protovae-10": {"attributes_captured": 0.7, "attribute_correlation": 0.1},
    "kmex(flint)-10": {"attributes_captured": 0.85, "attribute_correlation": 0.05},
    "kmex(protopnet)-10": {"attributes_captured": 0.75, "attribute_correlation": 0.35},
    "kmex(protovae)-10": {"attributes_captured": 0.8, "attribute_correlation": 0.08},
    "b4": {"accuracy": 0.897}, "b4-few": {"accuracy": 0.896},
    "b234": {"accuracy": 0.87}, "b234-few": {"accuracy": 0.869},
    "protopnet-parts": {"alignment_class": 0.97, "alignment_out": 0.96},
}  # fmt: skip
SOMEWHERE = {
    "mnist": {("protovae", "ghosting"): 0, ("protopnet", "ro_auroc"): 0.8, ("protovae", "ro_auroc"): 0.4},
    "fashion-mnist": {("protovae", "ghosting"): 0},
    "svhn": {
        ("protovae", "ghosting"): 0, ("protovae", "accuracy"): 0.904, ("protopnet", "accuracy"): 0.91,
        ("kmex(protopnet)", "diversity"): 0.1,
    },
    "stl10": {("protopnet", "accuracy"): 0.91, ("kmex-10", "ghosting"): 0.1},
    "celeba": {("protovae", "accuracy"): 0.904, ("protovae", "ro_auroc"): 0.85, ("protopnet", "ro_auroc"): 0.78},
}  # fmt: skip

CHANGES = {
    "kmex-accuracy": [("kmex", "accuracy", 0.88)],
    "flint-accuracy": [("flint", "accuracy", 0.91, "mnist")],
    "protopnet-outperforms": [("protopnet", "accuracy", 0.89)],
    "protovae-outperforms": [("protovae", "accuracy", 0.89)],
    "flint-flat": [("flint", "range", 0.5)],
    "protovae-below-random": [("protovae", "rise", 0.1)],
    "protovae-negative-gain": [("protovae", "ro_auroc_gain", 0.1)],
    "protopnet-mnist": [("flint", "ro_auroc", 0.81)],
    "cifar10-alike": [("protovae", "ro_auroc", 0.8)],
    "cifar10-flint": [("flint", "ro_auroc", 0.68)],
    "cifar10-different": [("protovae", "ro_auroc", 0.69)],
    "protovae-celeba": [("kmex", "ro_auroc", 0.9)],
    "protopnet-celeba": [("blackbox", "ro_auroc", 0.8)],
    "kmex-auroc": [("kmex", "ro_auroc", 0.6)],
    "kmex-auroc-differs": [("kmex", "ro_auroc", 0.7)],
    "kmex-never-ghosts": [("kmex", "ghosting", 0.02, "svhn")],
    "flint-ghosts": [("flint", "ghosting", 0, "svhn")],
    "protopnet-ghosts": [("protopnet", "ghosting", 0, "svhn")],
    "protovae-ghosts": [("protovae", "ghosting", 0)],
    "protovae-no-ghosts": [("protovae", "ghosting", 0.2)],
    "kmex-lowest-kl": [("flint", "lrp_kl", 0)],
    "kmex-best-diversity": [("protovae", "diversity", 0)],
    "flint-worst-diversity": [("protopnet", "diversity", 0.95)],
    "kmex-least-ghosting": [("kmex", "ghosting", 0.5)],
    "kmex-most-faithful": [("protopnet", "accuracy", 0.899)],
    "kmex-faithful-maps": [("protovae", "lrp_kl", 0)],
    "protopnet-underperforms": [("protopnet", "ghosting", 0)],
    "protovae-leads": [("protopnet", "diversity", 0.01)],
    "flint-smallest-area": [("flint", metric, 0) for metric in ("ghosting", "diversity", "lrp_kl")]
    + [("flint", "ro_auroc", 0.9)],
    "flint-on-par": [("flint", "ghosting", 0.6)],
    "flint-lags": [("flint", "ro_auroc", 0.9)],
    "kmex-of-flint": [("kmex(flint)", "diversity", 0.95)],
    "kmex-of-protopnet": [("kmex(protopnet)", "diversity", 0.1)],
    "kmex-of-protovae": [("kmex(protovae)", "diversity", 0.2)],
    "flint-fewest-attributes": [("flint-10", "attributes_captured", 0.65)],
    "kmex-more-attributes": [("kmex(flint)-10", "attributes_captured", 0.7)],
    "protopnet-correlations": [("flint", "attribute_correlation", 0.6)],
    "correlations-closer": [("protovae-10", "attribute_correlation", 0.3)],
    "kmex-correlations": [("kmex(protopnet)-10", "attribute_correlation", 0.5)],
    "kmex-flint-attributes": [("flint", "attributes_captured", 0.65)],
    "kmex-flint-correlations": [("kmex(protovae)", "attribute_correlation", 0)],
    "kmex-trains-fastest": [("protovae", "training_seconds", 20)],
    "kmex-predicts-fastest": [("kmex", "predict_seconds_single", 0.003)],
    "kmex-best-everywhere": [("protovae", "lrp_kl", 0, "mnist"), ("kmex", "lrp_kl", 0.05, "mnist")],
    "protovae-diversity": [("protovae", "diversity", 0.2, "mnist")],
    "flint-worst-everywhere": [("flint", "ro_auroc", 0.75, "svhn")],
    "distances-alike": [("kmex-log2", "accuracy", 0.88)],
    "infinite-asymptote": [("kmex-l1", "ro_auroc", 0.05)],
    "distance-best": [("kmex-squared", "ro_auroc", 0.68)],
    "numbers-ghosting-stl10": [("kmex-10", "ghosting", 0)],
    "numbers-ghosting": [("kmex-10", "ghosting", 0.2)],
    "numbers-accuracy": [("kmex-1", "accuracy", 0.8)],
    "numbers-kl": [("kmex-1", "lrp_kl", 0.2)],
    "numbers-auroc": [("kmex-10", "ro_auroc", 0.5)],
    "numbers-diversity": [("kmex-10", "diversity", 0.2)],
    "bisecting-worse": [("kmex-bisecting", "accuracy", 0.9, "mnist")],
    "bisecting-huge": [("kmex-bisecting", "accuracy", 0.88, "mnist")],
    "patches": [("kmex-patches", "accuracy", 0.9)],
    "protopnet-cosines": [("protopnet-parts", "alignment_out", 0.5)],
    "columns-align-worse": [("cnn", "alignment_class", 0.85)],
    "columns-orthogonal": [("cnn", "alignment_out", 0.3)],
    "classes-not-orthogonal": [("kmex", "alignment_out", 0)],
    "kmex-performance": [("kmex", "accuracy_train", 0.95)],
    "b4-accuracy": [("b4", "accuracy_train", 0.95)],
    "b234-lower": [("b234", "accuracy_train", 0.95)],
    "b234-slight": [("b234", "accuracy", 0.3)],
    "subsets": [("b4-few", "accuracy", 0.7)],
}


def hyperparameters(label):
    name, _, varied = label.partition("-")
    own = {"prototypes_per_class": int(varied) if varied.isdigit() else 5}
    own |= {"b4": MANY, "b234": MANY}.get(name, {}) | (FEW if varied == "few" else {})
    if name == "kmex":
        own["flavour"] = "bisecting" if varied == "bisecting" else "kmeans"
        own["similarity"] = varied if varied in ("l1", "squared", "log", "log2", "dot", "cosine", "ned") else "-d"
    of = name.removeprefix("kmex(").removesuffix(")")
    return own if of == name else own | {"of": of, "base": dict(own)}


def run(label, numbers, dataset, seed):
    """One run. ``range`` and ``rise`` shape the relevance-order curve; accuracies and the gap follow the test's."""
    if "accuracy" in numbers:
        numbers = {"accuracy_train": numbers["accuracy"], "accuracy_gap": 100 * (numbers["accuracy"] - 0.9)} | numbers
    seconds = {"fit_seconds": numbers.get("training_seconds", 0), "backbone_seconds": 50.0, "parameters": 100}
    own_network = label in SUPERVISED
    seconds |= {
        "own_parameters": 100 if own_network else 5,
        "fit_seconds": seconds["fit_seconds"] - 50 * (not own_network),
    }
    curves = {"curve": (0.9, 0.9 - numbers.get("range", 0.8), 0.1 if "range" not in numbers else 0.87)}
    curves["random curve"] = (0.9, curves["curve"][1] - numbers.get("rise", 0.1), curves["curve"][2])
    scores = {
        metric: builders.scored(metric, [value], details=curves if metric == "ro_auroc" else {})
        for metric, value in numbers.items()
        if metric in builders.MEASURES or metric.startswith("attribute")
    }
    name = label if label in ("kmex-patches", "protopnet-parts") else label.partition("-")[0]
    made = builders.result(
        scores, explainer=label, dataset=dataset, seed=seed, kind="reference" if label == "blackbox" else "explainer",
        settings={"explainer": {"name": name}}, suite="papers",
        spent=builders.cost(predict_seconds_single=numbers.get("predict_seconds_single"), **seconds),
    )  # fmt: skip
    return made.model_copy(update={"hyperparameters": hyperparameters(label)})


@cache
def runs(dataset, label, changes):
    """The runs of one entry on one data set, with two seeds."""
    return [run(label, WORLD[label] | dict(changes), dataset, seed) for seed in (0, 1)]


def world(changes=()):
    """The world as it is, or with some scores changed."""
    results = []
    for dataset in DATASETS:
        changed = [(label, metric, value) for (label, metric), value in SOMEWHERE.get(dataset, {}).items()]
        changed += [
            (label, metric, value) for label, metric, value, *where in changes if dataset in (where or DATASETS)
        ]
        for label in WORLD:
            results += runs(dataset, label, tuple((metric, value) for own, metric, value in changed if own == label))
    return results


@pytest.fixture(scope="module")
def papers():
    return {one.claim.key: one for one in examine(world())}


@pytest.mark.parametrize("key", [claim.key for claim in CLAIMS])
def test_every_claim_can_hold(papers, key):
    assert papers[key].overall.outcome == "holds", papers[key].overall.explained


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)
def test_every_claim_can_fail(claim):
    (refuted,) = examine(world(CHANGES[claim.key]), [claim])
    assert refuted.overall.outcome == "fails", refuted.overall.explained


def test_no_claim_is_left_without_a_case():
    assert list(CHANGES) == [claim.key for claim in CLAIMS]


# Which table or figure a section's statements are read off, by the numbers that the texts of the papers give them.
NUMBERED = {
    "[K] 4.2.1": {"Table 3": {"accuracy"}},
    "[K] 4.2.2": {"Fig. 3": {"ro_auroc", "ro_auroc_gain"}, "Table 4": {"ro_auroc"}},
    "[K] 4.3.1": {"Table 5": {"ghosting"}},
    "[K] 4.3.2": {"Table 6": {"lrp_kl"}},
    "[K] 4.3.3": {"Table 7": {"diversity"}},
    "[K] 4.3.4": {"Fig. 4": {"ghosting", "accuracy_gap", "lrp_kl", "ro_auroc", "diversity", "radar_area"}},
    "[K] 4.4": {"Table 8": {"diversity"}, "Fig. 5b": {"attributes_captured"}, "Fig. 5c": {"attribute_correlation"}},
    "[K] A.3": {"Table 11": {"training_seconds"}, "Table 12": {"predict_seconds_single"}},
    "[K] A.5": {"Fig. 7": {"ghosting", "accuracy_gap", "lrp_kl", "ro_auroc", "diversity"}},
    "[K] A.6.1": {"Fig. 8": {"ghosting", "accuracy_gap", "diversity", "ro_auroc", "radar_area"}},
    "[K] A.6.2": {"Fig. 9": {"ghosting", "accuracy", "lrp_kl", "ro_auroc", "diversity"}},
    "[K] A.6.3": {"Table 13": {"accuracy"}},
    "[K] A.7": {"Table 14": {"accuracy"}},
    "[C] 4": {
        "first table": {"alignment_class", "alignment_out"}, "second table": {"accuracy", "accuracy_train"},
        "abstract and second table": {"accuracy"},
    },
    "[C] 6": {"": {"accuracy"}},
}  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)
def test_a_claim_cites_the_table_or_figure_of_its_section_that_shows_its_measure(claim):
    section, _, place = claim.source.partition(", ")
    assert set(claim.metrics) <= NUMBERED[section][place]
