"""`make bench` times everything that `sembench bench compare` compares; an ordinary run sees that it works."""

import pytest
import torch

from stage import Stage
from workloads import LeftOut, workloads


@pytest.fixture(scope="module")
def stage():
    return Stage()


@pytest.mark.parametrize("name", workloads())
@pytest.mark.benchmark(group="workloads", min_rounds=3, max_time=0.5, warmup=False)
def test_workload(benchmark, stage, name):
    if not benchmark.enabled and name.startswith(("fit", "metric", "explain")):
        pytest.skip("run and counted in test_exact_gates.py; `make bench` times it")
    try:
        work = workloads()[name](stage)
    except LeftOut as reason:
        pytest.skip(str(reason))
    found = benchmark(work.run)
    assert found is None or bool(torch.isfinite(found).all())
