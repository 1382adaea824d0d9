"""The wrapped network is the network, however it is written: logits, feature maps, training mode; the module untouched.

Each way of writing is one small network. The oracle is the module itself, on fresh clones of the images.
"""

import builtins
import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from sembench.backbones.backbone import freeze
from sembench.backbones.wrapping import wrap
from sembench.errors import BackboneUnfit
from sembench.seeding import isolated
from ways import Flat, Net, conv, images, way, whole

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning", "ignore:.*spectral_norm:FutureWarning")


def statement(step):
    """A step in place, as a statement, whose input is used afterwards."""

    def written(self, x):
        step(x)
        return x + 0.5 * x

    return way(written)


def bound(step):
    """A step in place whose result is used beside its input."""

    def written(self, x):
        y = step(x)
        return x * 0.5 + y

    return way(written)


def minus(x):
    x -= 0.5


def item(x):
    x[:, 0] = x[:, 1] * 2


def scaled_item(x):
    x[:, 0] *= 2


def scaled_items(x):
    x[:, 1:3] *= 2
    x[:, 2] += x[:, 1]


def masked(x):
    x[x < 0] = 0


def ellipsis(x):
    x[...] = x.abs()


def out(x):
    torch.clamp(x, min=0, out=x)


STATEMENTS = {
    "-=": minus, "[] =": item, "[] *=": scaled_item, "[] *= and +=": scaled_items, "[mask] =": masked,
    "[...] =": ellipsis,
}  # fmt: skip
IN_PLACE = {
    "relu, inplace": lambda x: F.relu(x, inplace=True),
    "relu, True": lambda x: F.relu(x, True),
    "relu_": lambda x: x.relu_(),
    "F.relu_": lambda x: F.relu_(x),
    "torch.relu_": lambda x: torch.relu_(x),
    "F.leaky_relu_": lambda x: F.leaky_relu_(x, 0.1),
    "leaky_relu, positional": lambda x: F.leaky_relu(x, 0.2, True),
    "F.elu_": lambda x: F.elu_(x),
    "F.hardtanh_": lambda x: F.hardtanh_(x),
    "F.hardswish": lambda x: F.hardswish(x, inplace=True),
    "F.silu": lambda x: F.silu(x, inplace=True),
    "sigmoid_": lambda x: x.sigmoid_(),
    "add_": lambda x: x.add_(1),
    "add_, alpha": lambda x: x.add_(x.abs(), alpha=2),
    "mul_": lambda x: x.mul_(torch.sigmoid(x)),
    "clamp_": lambda x: x.clamp_(min=0),
    "clamp_min_": lambda x: x.clamp_min_(0),
    "masked_fill_": lambda x: x.masked_fill_(x < 0, 0.1),
    "copy_": lambda x: x.copy_(x.abs()),
    "data": lambda x: x.add_(0.5).mul_(2).sub_(0.1),
    "pow_": lambda x: x.pow_(2),
    **STATEMENTS,
}  # fmt: skip


class Swish(nn.Module):
    def forward(self, x):
        return x.mul_(torch.sigmoid(x))


class Silent(nn.Module):
    """Overwrites and returns, with weights of its own, so that it is a step of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        x.clamp_(min=0)
        return x


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = torch.full((1, 3, 1, 1), 0.3)
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.6))

    def forward(self, x):
        return (x - self.mean) / self.std


def shortcut(self, x):
    return self.relu(x) + x


def early_batch(self, x):
    batch = x.shape[0]
    x = F.relu(self.norm(self.first(x)))
    x = F.adaptive_avg_pool2d(self.second(x), 1)
    return self.fc(x.view(batch, -1))


def late_batch(self, x):
    batch, _channels, _height, _width = x.size()
    x = self.second(F.relu(self.norm(self.first(x))))
    return self.fc(F.adaptive_avg_pool2d(x, 1).reshape(batch * 2, -1).view(batch, -1))


def sums(self, x):
    x = self.second(F.relu(self.norm(self.first(x))))
    return self.fc(x.sum((2, 3)) / (x.shape[2] * x.shape[3]))


def wide_view(self, x):
    x = self.second(F.relu(self.norm(self.first(x))))
    return self.big(F.avg_pool2d(x, 4).view(x.size(0), -1))


def input_in_place(self, x):
    x -= 0.3
    x.div_(0.5)
    return Net.forward(self, x)


def shared(self, x):
    return self.middle_conv(F.relu(self.middle_conv(x)))


def by_list(self, x):
    for layer in self.layers:
        x = layer(x)
    return x


def tied():
    network = way(lambda self, x: self.b(F.relu(self.a(x))), a=conv, b=conv)()
    network.b.weight = network.a.weight
    return network


def with_norm(norm):
    def make():
        network = Net()
        norm(network.second)
        network(torch.randn(2, 3, 8, 8))  # leaves a computed weight behind
        return network

    return make


WAYS = {
    **{f"statement {name}": statement(step) for name, step in IN_PLACE.items()},
    **{f"result {name}": bound(step) for name, step in IN_PLACE.items() if name not in STATEMENTS},
    "module in place before a shortcut": way(shortcut, relu=lambda: nn.ReLU(inplace=True)),
    "module in place, reused": way(
        lambda self, x: self.relu(self.relu(x) - 0.1) + x, relu=lambda: nn.ReLU(inplace=True)
    ),
    "own module in place": way(lambda self, x: self.act(x) + x, act=Swish),
    "own module with weights in place": way(lambda self, x: self.act(x) + x, act=Silent),
    "input in place": whole(input_in_place),
    "early batch": whole(early_batch),
    "late batch": whole(late_batch),
    "sums": whole(sums),
    "wide view": whole(wide_view, big=lambda: nn.Linear(6 * 4, 4)),
    "own flatten": whole(
        lambda self, x: self.big(self.flat(F.avg_pool2d(self.second(F.relu(self.norm(self.first(x)))), 4))),
        flat=Flat, big=lambda: nn.Linear(6 * 4, 4),
    ),
    "normalises": whole(lambda self, x: Net.forward(self, self.normalised(x)), normalised=Normalised),
    "keywords": whole(
        lambda self, x: self.fc(
            input=torch.mean(input=self.second(F.relu(input=self.norm(self.first(input=x)))), dim=(2, 3))
        )
    ),
    "reused convolution": way(shared, middle_conv=conv),
    "nested": way(lambda self, x: self.a(x), a=lambda: nn.Sequential(nn.Sequential(conv(), nn.ReLU()), conv())),
    "module list": way(by_list, layers=lambda: nn.ModuleList([conv(), nn.ReLU(inplace=True), conv()])),
    "module dict": way(lambda self, x: self.d["a"](F.relu(self.d["b"](x))), d=lambda: nn.ModuleDict(
        {"a": conv(), "b": conv()}
    )),
    "partial": way(lambda self, x: functools.partial(F.leaky_relu, negative_slope=0.3, inplace=True)(x) + x),
    "tied": tied,
    "old weight norm": with_norm(weight_norm),
    "weight norm": with_norm(parametrizations.weight_norm),
    "old spectral norm": with_norm(spectral_norm),
    "spectral norm": with_norm(parametrizations.spectral_norm),
    "pruned": with_norm(lambda m: prune.l1_unstructured(m, "weight", 0.3)),
    "pruned by channel": with_norm(lambda m: prune.ln_structured(m, "weight", 0.3, n=2, dim=0)),
    "dropout by function": way(lambda self, x: F.dropout(F.relu(x), 0.4, self.training)),
    "dropout by keyword": way(lambda self, x: F.dropout(F.relu(x), training=self.training, inplace=True)),
    "dropout by rate": way(lambda self, x: F.dropout(F.relu(x), 0.4 if self.training else 0.0, True)),
    "channel dropout": way(lambda self, x: F.dropout2d(F.relu(x), 0.3, self.training)),
    "batch norm by function": way(lambda self, x: F.batch_norm(
        x, self.bn.running_mean, self.bn.running_var, self.bn.weight, self.bn.bias, training=self.training
    ), bn=lambda: nn.BatchNorm2d(6)),
}  # fmt: skip


class Depth(nn.Module):
    """A residual block that is skipped at random in training."""

    def __init__(self):
        super().__init__()
        self.conv = conv()

    def forward(self, x):
        y = self.conv(x)
        if self.training:
            y = y * torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.5))
        return x + y


class Counting(nn.BatchNorm2d):
    """A batch norm of which the passes are counted by its own code, within a module that stays whole."""

    def __init__(self):
        super().__init__(6)
        self.act = nn.ReLU()

    def forward(self, x):
        if self.training:
            self.num_batches_tracked.add_(1)
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training)
        return self.act(x)


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = Counting()

    def forward(self, x):
        x = self.norm(x)
        return x if x.shape[2] % 2 else F.relu(x)


class Shifted(nn.Module):
    """Makes tensors in its forward pass."""

    def __init__(self):
        super().__init__()
        self.register_buffer("spread", torch.full((1,), 0.5))
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act((x - torch.tensor([0.3])) * (1 / self.spread) + torch.zeros(1))


class DropPath(nn.Module):
    """Makes no step in evaluation mode."""

    def forward(self, x):
        if not self.training:
            return x
        return x * torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.5))


WAYS["tensors made in forward"] = whole(
    lambda self, x: Net.forward(self, (x - torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)) / 0.25)
)
WAYS["tensors made in a module"] = way(lambda self, x: self.shifted(x), shifted=Shifted)
WAYS["a path dropped by the network itself"] = way(
    lambda self, x: self.gate(F.relu(x + self.drop(self.c(x)))),
    drop=DropPath,
    c=conv,
    gate=lambda: nn.Sequential(Swish()),
)


def first_of(self, x):
    batch, *_ = x.shape
    x = self.second(F.relu(self.norm(self.first(x))))
    return self.fc(x.mean((2, 3)).view(batch, -1))


def zeros_beside(self, x):
    batch = x.shape[0]
    return torch.cat([x, torch.zeros(batch, 2, x.shape[2], x.shape[3])], 1)[:, :6]


SIZES = {
    "len": lambda self, x: F.relu(x).reshape(len(x), 6, len(x[0][0]), -1),
    "unpacked": lambda self, x: F.relu(x).view(*x.shape[:2], -1).view(*x.shape),
    "zeros of a batch": zeros_beside,
    "whole number": lambda self, x: F.relu(x).flatten(2).unflatten(2, (int(x.shape[2]), -1)),
    "number": lambda self, x: F.relu(x) / float(x.shape[1]) + (1 if isinstance(3, int) else 0),
}
WAYS |= {name: way(written) for name, written in SIZES.items()}
WAYS["first of a shape"] = whole(first_of)
LATE = {
    "height and width": lambda self, x: (x.shape[2], x.shape[3]),
    "a shape": lambda self, x: x.shape[2:],
    "a half": lambda self, x: (x.shape[2] // 2, x.size(3) // 2),
}


def late(read):
    def written(self, x):
        size = read(self, x)
        x = F.relu(self.second(F.relu(self.norm(self.first(x)))))
        return self.fc(self.third(F.interpolate(x, size=size)).mean((2, 3)))

    return whole(written, third=conv)


WAYS |= {f"{name} used late": late(read) for name, read in LATE.items()}
WAYS["gain and shift behind the pool"] = whole(
    lambda self, x: self.fc(self.second(F.relu(self.norm(self.first(x)))).mean((2, 3)) * self.gain.exp() + self.shift),
    gain=lambda: nn.Parameter(torch.ones(6)), shift=lambda: nn.Parameter(torch.ones(6)),
)  # fmt: skip
WAYS["counted batch norm"] = way(lambda self, x: self.counted(x), counted=Counted)
WAYS["stochastic depth"] = way(lambda self, x: self.depth(F.relu(x)), depth=Depth)


def test_the_innermost_module_with_other_steps_in_training_stays_whole_alone():
    network = way(
        lambda self, x: self.a(x + self.drop(self.c(x))),
        drop=DropPath, c=conv, a=lambda: nn.Sequential(nn.Sequential(Swish(), conv())),
    )()  # fmt: skip
    assert set(wrap(network.eval(), image_size=16).opaque) == {"drop"}


@pytest.mark.parametrize("name", LATE)
def test_a_size_that_is_used_late_is_that_of_the_images_named(name):
    network = network_of(f"{name} used late")
    backbone = wrap(network, image_size=16)
    assert backbone.facts[0].name == "relu"
    torch.testing.assert_close(backbone(images()), network(images()))
    with pytest.raises(BackboneUnfit, match=r"for images of 16 x 16, .* got 24 x 24. Name the size"):
        backbone(images(2, 24))


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_are_read_by_functions_are_those_of_each_call(name):
    network = network_of(name)
    backbone = wrap(network, image_size=16)
    assert not backbone.opaque
    torch.testing.assert_close(backbone(images(2, 24)), network(images(2, 24)))
    assert len is builtins.len
    assert torch.zeros(1).tolist() == [0.0]


def network_of(name):
    with isolated(0):
        network = WAYS[name]()
        network.norm.running_mean.uniform_(-0.3, 0.3)
        return network.eval()


def after_a_step(network, owner):
    """Logits, gradients by name, buffers by name."""
    network.train()
    with isolated(5):
        logits = network(images().clone())
    try:
        logits.square().sum().backward()
    except RuntimeError as error:  # its own step in place hinders gradients
        if "inplace operation" not in str(error):
            raise
        return logits.detach(), None, {n: b for n, b in owner.named_buffers() if "running" in n}
    gradients = {name: p.grad for name, p in owner.named_parameters() if p.grad is not None}
    return logits.detach(), gradients, {n: b for n, b in owner.named_buffers() if "running" in n}


@pytest.mark.parametrize("name", WAYS)
def test_logits_are_the_network_s_own(name):
    network = network_of(name)
    backbone = wrap(network, image_size=16)
    for count in (1, 3):
        given = images(count)
        with torch.no_grad():
            expected = network(given.clone())
            torch.testing.assert_close(backbone(given.clone()), expected, rtol=1e-5, atol=1e-5)
            frozen = freeze(copy.deepcopy(backbone))
            ordered = given.clone(memory_format=torch.channels_last)
            torch.testing.assert_close(frozen(ordered), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WAYS)
def test_maps_that_were_given_out_and_images_are_never_overwritten(name):
    backbone = wrap(network_of(name), image_size=16)
    given = images()
    with torch.no_grad():
        maps = []
        x = given
        for block in backbone.blocks:
            before = x.clone()
            x = block(x)
            assert torch.equal(before, maps[-1] if maps else given)
            maps.append(x)
        kept = [m.clone() for m in maps]
        backbone.average(maps[-1])
    assert torch.equal(given, images())
    assert all(torch.equal(a, b) for a, b in zip(maps, kept, strict=True))


@pytest.mark.parametrize("name", WAYS)
def test_a_step_of_training_is_the_network_s_own(name):
    network = network_of(name)
    backbone = wrap(network, image_size=16)
    assert backbone.untrainable is None
    logits, gradients, statistics = after_a_step(backbone, backbone)
    own_logits, own_gradients, own_statistics = after_a_step(network, network)
    torch.testing.assert_close(logits, own_logits, rtol=1e-4, atol=1e-5)

    def in_order(tensors):
        return sorted(tensors.values(), key=lambda t: (tuple(t.shape), float(t.double().sum())))

    if own_gradients is not None:
        for a, b in zip(in_order(gradients), in_order(own_gradients), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    for a, b in zip(in_order(statistics), in_order(own_statistics), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WAYS)
def test_the_module_does_not_change(name):
    network = network_of(name)
    flags = {path: getattr(part, "inplace", None) for path, part in network.named_modules()}
    hooks = {path: [*part._forward_hooks, *part._forward_pre_hooks] for path, part in network.named_modules()}
    before = copy.deepcopy(network.state_dict())
    wrap(network, image_size=16).train()(images()).sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert {path: getattr(part, "inplace", None) for path, part in network.named_modules()} == flags
    assert {p: [*part._forward_hooks, *part._forward_pre_hooks] for p, part in network.named_modules()} == hooks
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(part.training for part in network.modules())
