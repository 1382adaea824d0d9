"""Networks as they come: what can work works, and the rest is refused by name, never with a traceback of others."""

import copy
import random
import threading
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sembench.backbones.backbone import freeze
from sembench.backbones.wrapping import wrap
from sembench.errors import BackboneUnfit
from sembench.seeding import isolated
from sembench.training.stages import _require_trainable
from sembench.types import Trait
from ways import Flat, Net, conv, images, way, whole


def asserting(self, x):
    assert x.shape[1] == 3
    if x.dim() != 4:
        raise ValueError("not images")
    return Net.forward(self, x)


def masked(self, x, mask=None):
    return Net.forward(self, x if mask is None else x * mask)


def any_arguments(self, *xs, **options):
    return Net.forward(self, xs[0])


def halves_swapped(self, x):
    y = torch.empty_like(x)
    y[:, :3] = x[:, 3:]
    y[:, 3:] = x[:, :3]
    return y


def observed():
    network, seen = Net(), []
    network.second.register_forward_hook(lambda module, given, output: seen.append(output))
    return network


def doubled():
    network = Net()
    network.second.register_forward_hook(lambda module, given, output: output * 2)
    return network


def inside():
    network = Net()
    network.norm = nn.Sequential(nn.DataParallel(network.norm))
    return network


def untrained():
    network = Net()
    nn.init.zeros_(network.fc.weight)
    return network


class Around(nn.Module):
    """A network behind a step on pixels."""

    def __init__(self, network, step):
        super().__init__()
        self.network, self.step = network, step

    def forward(self, x):
        return self.network(self.step(x))


class Extra(nn.Module):
    """Has state besides parameters and buffers."""

    def __init__(self, state):
        super().__init__()
        self.state, self.conv = state, conv()

    def forward(self, x):
        return self.conv(x)

    def get_extra_state(self):
        return self.state

    def set_extra_state(self, state):
        self.state = state


STATES = (None, 1, "words", [1, 2], {"a": 1}, {"a": torch.ones(2)}, torch.ones(2))

WORKS = {
    **{f"extra state {s}": way(lambda self, x: self.extra(x), extra=lambda s=s: Extra(s)) for s in STATES},
    "assertions on shapes, nested": lambda: Around(Around(whole(asserting)(), nn.Identity()), lambda x: x - 0.5),
    "a linear layer of zeros": untrained,
    "a convolution of volumes": way(
        lambda self, x: self.mixed(x.unsqueeze(1)).squeeze(1), mixed=lambda: nn.Conv3d(1, 1, 3, padding=1)
    ),
    "assertions on shapes": whole(asserting),
    "an argument with a default": whole(masked),
    "any arguments": whole(any_arguments),
    "items set twice": way(halves_swapped),
    "an observing hook": observed,
    "a hook that changes its output": doubled,
    "DataParallel": lambda: nn.DataParallel(Net()),
    "DataParallel inside": inside,
    "AveragedModel": lambda: torch.optim.swa_utils.AveragedModel(Net()),
    "torch.compile": lambda: torch.compile(Net(), backend="eager"),
    "fx": lambda: torch.fx.symbolic_trace(Net().eval()),
    "zeros like a batch": way(lambda self, x: x + x.new_ones(x.size(0), 1, 1, 1)),
}


@pytest.mark.parametrize("name", WORKS)
def test_it_works_as_the_module_does(name):
    network = WORKS[name]().eval()
    backbone = wrap(network, image_size=16)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images()), network(images()), rtol=1e-5, atol=1e-5)
        assert freeze(backbone)(images(1)).shape == (1, 4)
    state = copy.deepcopy(backbone).state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    backbone.load_state_dict(state)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.half, 1e-2), (torch.bfloat16, 5e-2), (torch.double, 1e-5)])
def test_weights_of_another_precision_are_computed_with_in_float32_and_that_is_noted(dtype, tolerance):
    network = Net().eval().to(dtype)
    backbone = wrap(network, image_size=16)
    assert backbone.classifier.weight.dtype == torch.float32
    assert network.fc.weight.dtype == dtype
    assert backbone.notes == (f"its weights of {str(dtype).removeprefix('torch.')} are computed with in float32",)
    expected = network(images().to(dtype)).float()
    torch.testing.assert_close(backbone(images()), expected, rtol=tolerance, atol=tolerance)


def test_another_default_precision_changes_no_probe():
    network = Net().eval()
    expected = wrap(network, image_size=16).facts
    torch.set_default_dtype(torch.float64)
    try:
        assert wrap(network, image_size=16).facts == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_lazy_layers_get_initial_weights_on_the_copy_and_that_is_noted():
    network = nn.Sequential(
        nn.LazyConv2d(6, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4)
    )
    backbone = wrap(network, image_size=16)
    assert backbone(images()).shape == (3, 4)
    assert "lazy layers had no weights" in backbone.notes[0]
    assert isinstance(network[0].weight, nn.UninitializedParameter)


class Average(nn.Module):
    """Keeps a moving average in evaluation mode, too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, x):
        self.mean.mul_(0.9).add_(0.1 * x.mean())
        return x - self.mean


class WholeView(nn.Module):
    """Stays whole, and looks at its map in one memory format alone."""

    def __init__(self):
        super().__init__()
        self.conv = conv()

    def forward(self, x):
        y = self.conv(x) if x.shape[2] > 0 else x
        return y.view(-1).view(y.shape)


def views(step):
    def written(self, x):
        part = step(x)
        return x + part.flatten(1).mean(1)[:, None, None, None]

    return written


def no_values(self, x):
    return -x if x.abs().sum() > 0 else x


def half_inside(self, x):
    return self.fc(self.second(self.first(x)).mean((2, 3)).half())


def on_autocast(self, x):
    with torch.autocast("cpu", torch.bfloat16):
        return Net.forward(self, x)


class Branching(nn.Module):
    """Stays whole, and overwrites what its derivative needs."""

    def forward(self, x):
        y = torch.sigmoid(x) if x.mean() < 100 else x
        return y.mul_(2)


def in_other_precision(dtype):
    def pooled(self, x):
        x = self.second(F.relu(self.norm(self.first(x)))).to(dtype)
        return self.fc(x.mean((2, 3)).float())

    return whole(pooled), f"the feature map of .* is of {dtype}; explanations are computed in float32"


class Failing(Extra):
    def get_extra_state(self):
        raise KeyError("none yet")


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch gives it up
        return torch.ao.quantization.quantize_dynamic(Net().eval(), {nn.Linear})


REFUSED = {
    "quantised": (quantised, "fc.* is a .*, as in a quantized network; give the network with weights that are plain"),
    "extra state that fails": (
        way(lambda self, x: self.extra(x), extra=lambda: Failing(1)),
        "get_extra_state of extra fails: KeyError",
    ),
    "no derivative": (
        way(lambda self, x: x * torch.heaviside(x, x)),
        "no gradient goes back through the step 'heaviside': .*derivat",
    ),
    "whole and in place": (
        way(lambda self, x: self.step(x), step=Branching),
        "no gradient goes back through the step 'step': .*inplace",
    ),
    **{f"a map of {dtype}": in_other_precision(dtype) for dtype in (torch.double, torch.half, torch.bfloat16)},
    "half inside": (whole(half_inside), r"take \.half\(\), \.double\(\) and the like out of its forward"),
    "autocast": (whole(on_autocast), "on random numbers, on state or on autocast"),
    "a loop over a size": (
        way(lambda self, x: x + sum(x[:, n : n + 1] for n in range(x.shape[1]))),
        "without branches or loops on values or sizes",
    ),
    "values, nested": (lambda: Around(way(no_values)(), nn.Identity()), "the last step is Way, not a linear layer"),
    "part in place": (way(views(lambda x: x[:, 0].relu_())), "'relu_' works in place, on getitem, and changes norm"),
    "chunk in place": (way(views(lambda x: x.chunk(2, 1)[0].mul_(2))), "'mul_' works in place"),
    "view in place": (way(views(lambda x: x.view(x.size(0), -1).sigmoid_())), "'sigmoid_' works in place, on view"),
    "transposed in place": (way(views(lambda x: x.transpose(2, 3).tanh_())), "'tanh_' works in place, on transpose"),
    "augmented part": (way(lambda self, x: views(lambda y: y[:, :2].add_(1))(self, x)), "'add_' works in place"),
    "state": (way(lambda self, x: self.average(x), average=Average), "keeps state .*average.mean changes"),
    "random": (way(lambda self, x: F.dropout(x, 0.5)), "other logits .* called again"),
    "batch": (way(lambda self, x: torch.softmax(x, 0)), "other logits for an image alone"),
    "no running statistics": (
        way(lambda self, x: self.bn(x), bn=lambda: nn.BatchNorm2d(6, track_running_stats=False)),
        "bn is a BatchNorm2d without running statistics",
    ),
    "squeeze": (whole(lambda self, x: self.fc(self.second(self.first(x)).mean((2, 3)).squeeze())), "not one alone"),
    "two images": (whole(lambda self, x: self.fc(self.second(self.first(x)).mean((2, 3)).view(2, -1))), "one alone"),
    "values": (way(no_values), "cannot be followed: it branches on values"),
    "detached": (way(lambda self, x: x.detach()), "no gradient leads from the embedding to the pixels"),
    "whole view": (way(lambda self, x: self.v(x), v=WholeView), r"fails at 'v = self.v\(.*view size is not compatible"),
    "one channel": (lambda: Net(first=nn.Conv2d(1, 6, 3)), "takes 1 channel; images have 3. Put a module around it"),
    "four channels": (lambda: Net(first=nn.Conv2d(4, 6, 3)), "first convolution takes 4 channels; images have 3"),
    "channels last": (whole(lambda self, x: Net.forward(self, x.permute(0, 3, 1, 2))), "takes images .B, H, W, 3."),
    "an argument": (whole(lambda self, x, mask: Net.forward(self, x * mask)), "take the images alone"),
    "dictionary": (whole(lambda self, x: {"logits": Net.forward(self, x)}), "answers to images with dict"),
    "two outputs": (whole(lambda self, x: (Net.forward(self, x), x)), "answers to images with tuple"),
    "meta": (lambda: Net().to("meta"), "first.weight is on the meta device"),
    "complex": (
        way(lambda self, x: self.c(x), c=lambda: conv().to(torch.complex64)),
        "c.weight is complex; explanations need",
    ),
    "lock": (way(lambda self, x: x, lock=threading.Lock), "cannot be copied .*locks"),
    "numpy": (way(lambda self, x: x + torch.from_numpy(x.detach().numpy())), "cannot be followed"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_it_is_refused_by_name(name):
    make, reason = REFUSED[name]
    with pytest.raises(BackboneUnfit, match=reason) as refused:
        wrap(make().eval(), image_size=16)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scale", [1.0, 1e-5, 0.0])
@pytest.mark.parametrize("step", [
    lambda self, x: F.dropout(x, 0.5), lambda self, x: F.batch_norm(x, None, None, training=True),
    lambda self, x: x - 0.3 * x.mean(0, keepdim=True),
], ids=["random", "statistics of the batch", "mean of the batch"])  # fmt: skip
def test_what_depends_on_more_than_the_image_is_refused_however_small_the_logits(step, scale):
    network = way(step)().eval()
    with torch.no_grad():
        network.fc.weight.mul_(scale)
        network.fc.bias.mul_(scale)
    with pytest.raises(BackboneUnfit, match=r"other logits .* (called again|alone)|the embedding of an image is ano"):
        wrap(network, image_size=16)


@pytest.mark.parametrize("scale", [1.0, 1e-6])
@pytest.mark.parametrize(("pooled", "is_average"), [
    (lambda x: x.mean((2, 3)), True), (lambda x: x.amax((2, 3)), False), (lambda x: x[:, :, 1, 1], False),
])  # fmt: skip
def test_whether_the_head_is_linear_on_the_average_does_not_hang_on_the_size_of_values(pooled, is_average, scale):
    network = whole(lambda self, x: self.fc(pooled(scale * self.second(self.norm(self.first(x))))))().eval()
    backbone = wrap(network, image_size=16)
    assert (Trait.LINEAR_HEAD in backbone.traits) == is_average


@pytest.mark.parametrize(
    ("make", "path"),
    [(lambda script: script, "the network"), (lambda script: way(lambda self, x: x, part=lambda: script)(), "part")],
)
def test_a_torchscript_module_is_refused_by_name(make, path):
    with pytest.warns(FutureWarning, match="torch.jit"):
        script = torch.jit.trace(Net().eval(), images())
    with pytest.raises(BackboneUnfit, match=f"{path} is a TorchScript module"):
        wrap(make(script), image_size=16)


class Staged(nn.Module):
    """Three stages in a row, with a pooling of the network's own before the last two."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), conv(), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.others = nn.Sequential(
            nn.Sequential(conv(), nn.ReLU()), nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        )
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.others(self.pool(self.first(x))).mean((2, 3)))


@pytest.mark.parametrize(
    "step",
    [
        lambda x: (x - 0.5) / 0.25,
        nn.Identity(),
        nn.BatchNorm2d(3),
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()),
        lambda x: F.interpolate(x, scale_factor=2.0),
    ],
    ids=["by hand", "identity", "batch norm", "nested", "enlarged"],
)
def test_a_step_on_pixels_before_a_network_moves_no_block(step):
    network = Staged().eval()
    own, around = (wrap(n.eval(), image_size=16) for n in (network, Around(network, step)))
    assert [facts.name for facts in own.facts] == ["first", "others.0", "others"]
    assert [facts.name for facts in around.facts] == [f"network.{facts.name}" for facts in own.facts]
    with torch.no_grad():
        expected = own.feature_maps(step(images()))
    for seen, wanted in zip(around.feature_maps(images()), expected, strict=True):
        torch.testing.assert_close(seen, wanted)


def noisy(self, x):
    return Net.forward(self, x + torch.randn_like(x) if self.training else x)


def shifted_by_mode(self, x):
    return Net.forward(self, x + (torch.tensor([0.5]) if self.training else torch.tensor([0.25])))


def two_in_training(self, x):
    logits = Net.forward(self, x)
    return (logits, logits) if self.training else logits


class Held(nn.Module):
    """Keeps its batch norm in evaluation mode while it is trained."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.network = Net()

    def forward(self, x):
        return self.network(self.norm(x))

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (whole(noisy), "its own forward takes other steps in training mode"),
        (whole(two_in_training), "its own forward takes other steps in training mode"),
        (whole(shifted_by_mode), "its own forward takes other steps in training mode"),
        (lambda: Around(whole(noisy)(), nn.Identity()), "the forward of 'network' takes other steps in training mode"),
        (Held, "in training mode, .* differs from its own"),
    ],
)
def test_what_cannot_be_trained_as_it_is_can_be_used_frozen_alone(make, reason):
    network = make().eval()
    backbone = wrap(network, image_size=16)
    torch.testing.assert_close(backbone(images()), network(images()), rtol=1e-5, atol=1e-5)
    with pytest.raises(BackboneUnfit, match=f"cannot be trained here: {reason}"):
        _require_trainable(backbone)


DRAWS = {
    "torch": lambda self: torch.rand(1).item(),
    "Python": lambda self: random.random(),
    "NumPy": lambda self: np.random.rand(),
    "a Python stream of its own": lambda self: self.python.random(),
    "a NumPy stream of its own": lambda self: self.numpy.random(),
    "a torch stream of its own": lambda self: torch.rand(1, generator=self.torch).item(),
}


class Added(nn.Module):
    """Stays whole, and overwrites what the gradient of its weights needs, not that of the pixels."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((6, 1, 1), 0.3))

    def forward(self, x):
        x = x * 1.0 if x.mean() < 100 else x
        x += x * self.scale
        return x


def test_a_step_in_place_that_hinders_training_alone_can_be_used_frozen():
    network = way(lambda self, x: self.added(x), added=Added)().eval()
    backbone = wrap(network, image_size=16)
    torch.testing.assert_close(backbone(images()), network(images()), rtol=1e-5, atol=1e-5)
    with pytest.raises(BackboneUnfit, match="cannot be trained here: in training mode a step in place hinders"):
        _require_trainable(backbone)


class Skipped(nn.Module):
    """A residual step that is skipped at random in training, by a single number for the whole batch."""

    def __init__(self, draw):
        super().__init__()
        self.conv, self.draw = conv(), draw
        self.python, self.numpy, self.torch = random.Random(0), np.random.default_rng(0), torch.Generator()

    def forward(self, x):
        return x if self.training and self.draw(self) < 0.3 else x + self.conv(x)


def answers_in_training(network):
    network, seen = copy.deepcopy(network).train(), set()
    for seed in range(40):
        with isolated(seed), torch.no_grad():
            seen.add(round(float(network(images()).sum()), 3))
    return len(seen)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("seed", range(3))  # of the stream that is drawn from while the network is traced
def test_a_number_drawn_in_training_is_drawn_in_each_pass_or_the_network_is_used_frozen(draw, seed):
    network = way(lambda self, x: self.skipped(F.relu(x)), skipped=lambda: Skipped(DRAWS[draw]))().eval()
    assert answers_in_training(network) == 2
    with isolated(seed):
        backbone = wrap(network, image_size=16)
    if backbone.untrainable is None:
        assert answers_in_training(backbone) == 2
    else:
        with pytest.raises(
            BackboneUnfit, match=r"cannot be trained here: (in training mode it draws|its own forward takes)"
        ):
            _require_trainable(backbone)


def test_a_later_failure_names_the_step():
    network = whole(lambda self, x: self.big(self.flat(self.second(self.norm(self.first(x))))),
                    big=lambda: nn.Linear(6 * 64, 4), flat=Flat)()  # fmt: skip
    backbone = wrap(network.eval(), image_size=16)
    with pytest.raises(BackboneUnfit, match=r"fails at 'first = self.first.* on an input .3, 5, 16, 16."):
        backbone.features(torch.zeros(3, 5, 16, 16))
