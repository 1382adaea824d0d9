"""What measuring costs beyond the forward passes that it cannot do without.

``make bench`` times these on all digits, and holds the ratios to tight limits; `make test` looks once, and is lenient.
"""

import pytest
import torch

from sembench.backbones.backbone import freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.data.sets.digits import digits
from sembench.evaluation.perturbation import relevance_order_curve
from sembench.relevance.propagation import black_box_relevance
from sembench.seeding import isolated
from sembench.testing import gates
from sembench_baselines.kmex import KMEx

STEPS = 32


@pytest.fixture(scope="module")
def dataset():
    return digits()


@pytest.fixture(scope="module")
def backbone(dataset):
    with isolated(0):
        network = resnet10_narrow(dataset.n_classes)
    with torch.no_grad():
        network.train()(dataset.train.batch(torch.arange(200)).images)
    return freeze(network)


@pytest.fixture(scope="module")
def sample(dataset):
    return dataset.test.batch(torch.arange(100)).images


@pytest.fixture(scope="module")
def plain(backbone, sample):
    def forward_passes():
        with torch.no_grad():
            for _ in range(STEPS + 1):
                backbone(sample).softmax(1)

    return forward_passes


@pytest.fixture(scope="module")
def curve(backbone, sample):
    generator = torch.Generator().manual_seed(0)
    relevance = torch.rand(len(sample), *sample.shape[2:], generator=generator)
    noise = torch.rand(sample.shape, generator=generator)

    @torch.no_grad()
    def predict(images):
        return backbone(images).softmax(1)

    return lambda: relevance_order_curve(predict, sample, relevance, noise, steps=STEPS)


@pytest.fixture(scope="module")
def training_pass(backbone, dataset):
    def forward_pass():
        with torch.no_grad():
            for batch in dataset.train.batches(256):
                backbone.embed(batch.images)

    return forward_pass


@pytest.fixture(scope="module")
def kmex_fit(backbone, dataset):
    return lambda: KMEx().fit(backbone, dataset.train, generator=torch.Generator().manual_seed(0))


@pytest.mark.benchmark(group="33 forward passes of 100 images")
def test_plain_forward_passes(benchmark, plain):
    benchmark(plain)


@pytest.mark.benchmark(group="33 forward passes of 100 images")
def test_relevance_order_curve(benchmark, curve):
    benchmark(curve)


@pytest.mark.benchmark(group="one forward pass over the training digits")
def test_plain_training_pass(benchmark, training_pass):
    benchmark(training_pass)


@pytest.mark.benchmark(group="one forward pass over the training digits")
def test_kmex_fit(benchmark, kmex_fit):
    benchmark(kmex_fit)


@pytest.mark.benchmark(group="relevance of 100 images")
def test_black_box_relevance(benchmark, backbone, sample):
    benchmark(black_box_relevance, backbone, sample)


@pytest.mark.benchmark(group="ratios", min_rounds=1)
def test_the_curve_has_at_least_nine_tenths_of_the_throughput_of_plain_passes(benchmark, curve, plain):
    limit = {"at_most": 1 / 0.9 if benchmark.enabled else 2, "repetitions": 7 if benchmark.enabled else 1}
    assert benchmark.pedantic(gates.within, ("curve", curve, plain), limit, rounds=1) <= limit["at_most"]


@pytest.mark.benchmark(group="ratios", min_rounds=1)
def test_kmex_fits_in_five_quarters_of_a_forward_pass(benchmark, kmex_fit, training_pass):
    limit = {"at_most": 1.25 if benchmark.enabled else 2.5, "repetitions": 7 if benchmark.enabled else 1}
    assert benchmark.pedantic(gates.within, ("fit kmex", kmex_fit, training_pass), limit, rounds=1) <= limit["at_most"]
