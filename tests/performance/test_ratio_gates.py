"""Gates on ratios: how much longer than its own forward passes does something take? Never on an absolute time.

Limits are half as much again as what was measured on an idle and on a busy machine. `make bench` takes all of them,
`make test` one of each kind.
"""

import pytest
import torch

from sembench.testing import gates, tally
from stage import Stage
from workloads import workloads

PROPAGATED, SHARED = 16.0, 1.7  # through Zennit, forward and back (measured: 10); a pass shared by metrics (1.1)
LIMITS = {
    "relevance-order curve": 1.6,  # measured: 1.1
    "black-box relevance": PROPAGATED,
    "fit kmex": 2.3,  # 1.5: k-means beside one pass
    "fit kmex-patches": 2.3,
    "fit collapsed": 2.3,
    "fit shuffled": 2.3,
    "fit kmex(kmex)": 2.4,
    "fit b4": 2.4,  # 1.6: k-means on cells
    "fit b234": 5.0,  # 3.3
    "explain b4": 1.6,  # 1.0
    "explain b234": 3.0,  # 2.0
    "explain protovae": 3.0,  # 2.0
    "explain cnn": 9.0,  # 5.5: of two passes, one goes back
    **{f"explain {name}": PROPAGATED for name in ("blackbox", "kmex", "kmex-patches", "protopnet", "flint")},
    **{f"metric {name}": SHARED for name in ("accuracy", "accuracy_train", "accuracy_gap", "ghosting")},
    **{f"metric {name}": SHARED for name in ("alignment_class", "alignment_out", "attributes_captured")},
    "metric attribute_correlation": 1.9,  # 1.2
    **{f"metric {name}": PROPAGATED for name in ("lrp_kl", "sparseness", "complexity", "effective_complexity")},
    **{f"metric {name}": 3.0 for name in ("average_drop", "average_increase")},  # 1.8
    "metric ro_auroc": 2.6,  # 1.7
    "metric ro_auroc_gain": 2.6,
}
OF_EACH_KIND = {
    "relevance-order curve", "fit kmex", "fit b4", "explain kmex", "explain b4", "metric accuracy", "metric ghosting",
    "metric alignment_class", "metric attributes_captured", "metric lrp_kl",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage():
    return Stage()


def plain(stage, passes, images):
    """As many forward passes of as many images by the network itself."""
    batch = stage.dataset.train.batch(torch.arange(images // passes)).images

    @torch.no_grad()
    def run():
        for _ in range(passes):
            stage.backbone(batch)

    return run


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.benchmark(group="ratios", min_rounds=1)
def test_work_takes_a_bounded_multiple_of_its_forward_passes(benchmark, stage, name):
    if not benchmark.enabled and name not in OF_EACH_KIND:
        pytest.skip("one of each kind is enough here; `make bench` takes all")
    work = workloads()[name](stage)
    counts = tally(work.run, work.network)
    baseline = plain(stage, counts.passes, counts.images)
    limit = {"at_most": LIMITS[name], "repetitions": 5 if benchmark.enabled else 3}
    found = benchmark.pedantic(gates.within, (name, work.run, baseline), limit, rounds=1)
    benchmark.extra_info["ratio"] = found
    assert 0 < found <= LIMITS[name]
