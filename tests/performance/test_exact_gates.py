"""Gates on what is exact: forward passes, images, operations, bytes. Red or green does not depend on the machine."""

import tomllib
from functools import cache

import pytest
import torch

from places import ROOT
from sembench.testing import gates, tally
from sembench_baselines.blocks import B234
from stage import FITS, TRAINED, Stage
from workloads import METRICS, workloads

TRAIN, TEST, EXPLAINED = (4, 200), (2, 100), (1, 20)  # passes and images of one reading, 50 images a batch
CURVES = (2 * 9, 2 * 9 * 20)  # in relevance order and in random order, each of 8 points and the clean image
NOTHING = (0, 0)


def together(*parts):
    return tuple(map(sum, zip(*parts, strict=True)))


EXPECTED = {
    "forward passes": TEST,
    "black-box relevance": EXPLAINED,
    "relevance-order curve": (9, 9 * 20),
    **{f"fit {name}": NOTHING for name in ("blackbox", "cnn", "chance", *TRAINED)},  # theirs, not it
    **{f"fit {name}": (1, 200) for name in ("kmex", "kmex-patches", "collapsed", "shuffled")},
    "fit b4": (1, 200),
    "fit b234": (1, 200),
    "fit kmex(kmex)": (2, 400),  # its base is fitted first
    **{f"explain {name}": EXPLAINED for name in FITS},
    "explain chance": NOTHING,  # its relevance is drawn
    "explain cnn": (2, 40),  # the class has to be known before the relevance of its logit
    "metric accuracy": TEST,
    "metric accuracy_gap": TEST,
    **{f"metric {name}": TRAIN for name in METRICS if name.startswith(("accuracy_train", "alignment", "attribute"))},
    "metric ghosting": TRAIN,
    "metric lrp_kl": EXPLAINED,
    "metric ro_auroc": together(EXPLAINED, CURVES),
    "metric ro_auroc_gain": together(EXPLAINED, CURVES),
    **{f"metric {name}": (4, 80) for name in ("average_drop", "average_increase")},  # explained, decided, masked twice
    "metric diversity": NOTHING,
    **{f"metric {name}": EXPLAINED for name in ("sparseness", "complexity", "effective_complexity")},
    "k-means on rows": NOTHING,
    "rows kept": NOTHING,
}
"""Forward passes and images of everything that is benchmarked and runs a network, or might."""


@cache
def stage(training, explained, batch):
    return Stage(training=training, explained=explained, batch=batch)


@cache
def counted(name, training=200, explained=20, batch=50):
    work = workloads()[name](stage(training, explained, batch))
    return tally(work.run, work.network)


def entry_points(group):
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][f"sembench.{group}"]


def test_every_metric_and_every_fit_is_benchmarked_and_gated():
    assert set(METRICS) == set(entry_points("metrics"))
    assert {name for name in FITS if "(" not in name} == {
        name for name in entry_points("explainers") if "*" not in name
    }
    assert set(EXPECTED) == set(workloads()) - {"board", "start"}  # these run no network


@pytest.mark.parametrize("name", EXPECTED)
def test_the_network_runs_as_often_as_needed_and_no_more(name):
    passes, images = EXPECTED[name]
    gates.exact_passes(name, counted(name), passes=passes, images=images)


@pytest.mark.parametrize("name", FITS)
def test_an_explanation_costs_one_pass(name):
    model, images = stage(200, 20, 50).model(name), stage(200, 20, 50).images
    with torch.no_grad():
        found = tally(lambda: model(images), model)
    passes, images = NOTHING if name == "chance" else EXPLAINED  # chance draws its class scores from the pixels
    gates.exact_passes(name, found, passes=passes, images=images)


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"forward passes"}))
def test_more_images_in_one_batch_take_no_further_operation(name):
    few, many = counted(name, 60, 12, 400), counted(name, 120, 24, 400)
    gates.no_loop_over_images(name, few, many)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("metric ")])
def test_metrics_hold_little_of_an_image(name):
    """At most two maps of 33 x 33 pixels; the image itself would be 13 kB, its feature maps far more."""
    few, many = counted(name, 60, 20, 20), counted(name, 120, 40, 20)
    grown = 20 if counted(name, 60, 20, 20).images < 60 else 60
    gates.bytes_per_image(name, few, many, images=grown, at_most=2 * 4 * 33 * 33)


def test_b234_holds_a_bounded_number_of_cells():
    recipe, found = B234(prototypes_per_class=2, max_rows=500), []
    for training in (600, 900):  # two full batches at least: the one before is still there while the next is computed
        split, backbone = stage(training, 20, 50).dataset.train, stage(600, 20, 50).backbone
        found.append(
            tally(lambda s=split, b=backbone: recipe.fit(b, s, generator=torch.Generator().manual_seed(0)), backbone)
        )
    rows, all_cells = 500 * 448 * 4, 300 * 25 * 448 * 4  # bytes: what may be kept, and what may not
    assert gates.bytes_per_image("fit b234", *found, images=300, at_most=rows // 300) < all_cells / 300 / 10
