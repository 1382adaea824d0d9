"""torchvision's ResNets: the same function with the same weights, and where weights come from."""

import urllib.error

import pytest
import torch
from torchvision import models
from torchvision.models import WeightsEnum

from sembench.backbones.backbone import freeze
from sembench.backbones.resnet import resnet10_narrow, resnet18, resnet34, resnet50
from sembench.errors import SuiteInvalid
from sembench.seeding import generator, isolated

CLASSES = 6
NETWORKS = {
    "resnet10-narrow": (resnet10_narrow, [32, 64, 128, 256]),
    "resnet18": (resnet18, [64, 128, 256, 512]),
    "resnet34": (resnet34, [64, 128, 256, 512]),
    "resnet50": (resnet50, [256, 512, 1024, 2048]),
}
PUBLISHED = {
    "resnet18": models.resnet18,
    "resnet34": models.resnet34,
    "resnet50": models.resnet50,
}


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 40, 40, generator=generator(0, "images"))


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """A name, its frozen backbone, and the channels of its four stages."""
    make, channels = NETWORKS[request.param]
    with isolated(0):
        return request.param, freeze(make(CLASSES)), channels


def published_name(name):
    """torchvision's name of a backbone's weight: the stem and the first stage share the first block."""
    if name.startswith("classifier."):
        return name.replace("classifier", "fc")
    _, block, layer, rest = name.split(".", 3)
    if block != "0":
        return f"layer{int(block) + 1}.{layer}.{rest}"
    stem = {"0": "conv1", "1": "bn1"}
    return f"{stem[layer]}.{rest}" if layer in stem else f"layer1.{int(layer) - 4}.{rest}"


def test_every_stage_has_its_channels_and_half_the_resolution_of_the_one_before(network, images):
    _, backbone, channels = network
    maps = backbone.feature_maps(images)
    assert [m.shape[1] for m in maps] == channels
    assert [tuple(m.shape[2:]) for m in maps] == [(10, 10), (5, 5), (3, 3), (2, 2)]
    assert backbone.dimension == channels[-1]
    assert backbone(images).shape == (2, CLASSES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_are_those_of_torchvision_s_network_with_the_same_weights(name, images):
    with isolated(0):
        backbone = NETWORKS[name][0](CLASSES)
        published = PUBLISHED[name](num_classes=CLASSES)
    backbone.train()
    with torch.no_grad():
        for scale in (1, 2):
            backbone(scale * images)  # running statistics other than 0 and 1
    backbone.eval()
    state = {published_name(key): value for key, value in backbone.state_dict().items()}
    assert state.keys() == published.state_dict().keys()
    published.load_state_dict(state)
    with torch.no_grad():
        expected = published.eval()(images)
        torch.testing.assert_close(backbone(images), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(freeze(backbone)(images), expected, rtol=1e-4, atol=1e-5)


def test_the_narrow_network_has_one_block_a_stage_and_half_the_channels_of_resnet18(images):
    with isolated(0):
        narrow, full = resnet10_narrow(CLASSES), resnet18(CLASSES)
    maps, wide = narrow.eval().feature_maps(images), full.eval().feature_maps(images)
    assert [2 * m.shape[1] for m in maps] == [m.shape[1] for m in wide]
    kinds = [sum(type(m).__name__ == "BasicBlock" for m in block.modules()) for block in narrow.blocks]
    assert kinds == [1, 1, 1, 1]


def test_initial_weights_come_from_the_global_stream_alone():
    first, again, other = [], [], []
    for states, seed in ((first, 0), (again, 0), (other, 1)):
        with isolated(seed):
            states.extend(resnet10_narrow(CLASSES).state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_unknown_weights_are_refused_with_what_is_accepted():
    with pytest.raises(SuiteInvalid, match="unknown backbone weights 'places'; accepted are 'none' and 'imagenet'"):
        resnet18(CLASSES, weights="places")


@pytest.mark.parametrize("weights", ["imagenet", "places"])
def test_the_narrow_network_has_no_published_weights(weights):
    with pytest.raises(SuiteInvalid, match=f"no published weights; got '{weights}', accepted is 'none'"):
        resnet10_narrow(CLASSES, weights=weights)


@pytest.fixture
def published_weights(monkeypatch):
    """Stands in for the download: weights of a random ResNet18 of a thousand classes, and a note of what was asked."""
    with isolated(5):
        state = models.resnet18().state_dict()
    asked = []

    def get_state_dict(self, *args, **options):
        asked.append((self.url, options))
        return state

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    return state, asked


def test_imagenet_weights_fill_the_blocks_and_leave_the_classifier_fresh(published_weights):
    state, asked = published_weights
    with isolated(0):
        backbone = resnet18(CLASSES, weights="imagenet")
    found = {published_name(key): value for key, value in backbone.state_dict().items()}
    assert backbone.n_classes == CLASSES
    for name, value in state.items():
        if not name.startswith("fc."):
            assert torch.equal(found[name], value), name
    [(url, options)] = asked
    assert url == models.ResNet18_Weights.IMAGENET1K_V1.url
    assert options["check_hash"] is True


def test_without_imagenet_weights_nothing_is_fetched(published_weights):
    _, asked = published_weights
    resnet18(CLASSES)
    assert asked == []


@pytest.mark.parametrize(
    "error",
    [urllib.error.URLError("no route to host"), TimeoutError("timed out"), PermissionError("read-only file system")],
)
def test_weights_that_cannot_be_fetched_are_refused_with_the_address_and_the_ways_out(monkeypatch, error):
    def get_state_dict(self, *args, **options):
        raise error

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    with pytest.raises(SuiteInvalid, match=r"https://.*resnet18-.*\.pth.*checkpoints.*weights = 'none'") as caught:
        resnet18(CLASSES, weights="imagenet")
    assert str(error) in str(caught.value)
    assert caught.value.__cause__ is error


def test_weights_that_arrive_damaged_are_refused_with_the_ways_out(monkeypatch):
    """What torch.hub raises where the file's hash is not the one in its name."""

    def get_state_dict(self, *args, **options):
        raise RuntimeError('invalid hash value (expected "f37072fd", got "00000000")')

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    with pytest.raises(SuiteInvalid, match="invalid hash value"):
        resnet18(CLASSES, weights="imagenet")
