"""Gates on what is exact: forward passes, images, operations, bytes. Red or green does not depend on the machine."""

from functools import cache

import pytest
import torch

from sembench.errors import NotOffered
from sembench.plugins.registry import EXPLAINERS
from sembench.testing import gates, tally
from sembench_baselines.blocks import B234
from stage import FITS, Stage
from units import golden, own
from workloads import workloads

pytestmark = pytest.mark.slow


NOTHING = [0, 0]
EXPECTED = {
    "forward passes": [2, 100],
    "black-box relevance": [1, 20],
    "relevance-order curve": [9, 9 * 20],
    **{f"fit {name}": golden("explainers")[name]["fit"] for name in FITS},
    **{f"explain {name}": golden("explainers")[name]["explain"] for name in FITS},
    **{f"metric {name}": facts["passes"] for name, facts in golden("metrics").items()},
    "k-means on rows": NOTHING,
    "rows kept": NOTHING,
}
"""Forward passes and images, 50 a batch, of everything that is benchmarked and runs a network, or might."""


@cache
def stage(training, explained, batch):
    return Stage(training=training, explained=explained, batch=batch)


@cache
def counted(name, training=200, explained=20, batch=50):
    work = workloads()[name](stage(training, explained, batch))
    return tally(work.run, work.network)


def test_every_metric_and_every_fit_is_benchmarked_and_gated():
    assert set(own(EXPLAINERS)) <= set(FITS)
    assert set(EXPECTED) == set(workloads()) - {"board", "start"}  # these run no network


@pytest.mark.parametrize("name", EXPECTED)
def test_the_network_runs_as_often_as_needed_and_no_more(name):
    passes, images = EXPECTED[name]
    gates.exact_passes(name, counted(name), passes=passes, images=images)


@pytest.mark.parametrize("name", FITS)
def test_a_forward_call_costs_what_it_states(name):
    model, images = stage(200, 20, 50).model(name), stage(200, 20, 50).images
    with torch.no_grad():
        found = tally(lambda: model(images), model)
    passes, images = golden("explainers")[name]["forward"]
    gates.exact_passes(name, found, passes=passes, images=images)


@pytest.mark.parametrize("name", FITS)
def test_a_prototype_map_costs_a_forward_call(name):
    """The similarity is seen on the way to it, and propagated back; to know which prototype to ask for is another."""
    model, images = stage(200, 20, 50).model(name), stage(200, 20, 50).images
    if not len(model.prototypes):
        pytest.skip("it has no prototypes")
    asked = torch.arange(len(images)) % len(model.prototypes)
    try:
        found = tally(lambda: model.attribute_prototypes(images, asked), model)
    except NotOffered as why:
        pytest.skip(str(why))
    passes, images = golden("explainers")[name]["forward"]
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
