"""Two networks that compute the same have the same map, however they are written."""

import copy
import functools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

from sembench.errors import RelevanceUndefined
from sembench.relevance import recording
from sembench.relevance.propagation import propagate, shares
from sembench.seeding import generator, isolated


def noise(*shape):
    return torch.randn(*shape, generator=generator(0, "noise", *shape))


class Plain(nn.Module):
    """Convolution, batch norm, ReLU, a strided and a residual block, pooling, linear layer; every step a module."""

    def __init__(self):
        super().__init__()
        self.a, self.bn_a = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.pool = nn.AvgPool2d(2)
        self.b, self.bn_b = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.pool(self.relu(self.bn_a(self.a(x))))
        x = self.relu(x + self.bn_b(self.b(x)))
        return self.fc(self.flatten(self.gap(x)))


def norm_by_hand(x, norm):
    mean, var, weight, bias = (
        part.view(1, -1, 1, 1) for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / (var + norm.eps).sqrt() * weight + bias


def frozen_norm(x, norm):
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return x * scale.reshape(1, -1, 1, 1) + (norm.bias - norm.running_mean * scale).reshape(1, -1, 1, 1)


class Reused(nn.Module):
    """One module called in two places."""

    def __init__(self, plain):
        super().__init__()
        self.relu = plain.relu
        self.net = plain

    def forward(self, x):
        p = self.net
        x = p.pool(self.relu(p.bn_a(p.a(x))))
        return p.fc(p.gap(self.relu(torch.add(x, p.bn_b(p.b(x))))).flatten(1))


class ReLUNorm(nn.BatchNorm2d):
    """Batch norm with ReLU within."""

    def forward(self, x):
        return super().forward(x).relu()


class WithReLUNorm(nn.Module):
    def __init__(self, plain):
        super().__init__()
        self.p = plain
        self.norm = ReLUNorm(8)
        self.norm.load_state_dict(plain.bn_a.state_dict())

    def forward(self, x):
        p = self.p
        x = p.pool(self.norm(p.a(x)))
        return p.fc(p.gap(p.relu(x + p.bn_b(p.b(x)))).flatten(1))


class Standardised(nn.Conv2d):
    """A convolution whose weights are a function of its parameters."""

    def forward(self, x):
        return self._conv_forward(x, self.weight * 1.0, self.bias)


def functional(p, x):
    x = F.relu(F.batch_norm(F.conv2d(x, p.a.weight, p.a.bias, padding=1), p.bn_a.running_mean, p.bn_a.running_var,
                            p.bn_a.weight, p.bn_a.bias, eps=p.bn_a.eps))  # fmt: skip
    x = F.avg_pool2d(input=x, kernel_size=2)
    y = F.conv2d(input=x, weight=p.b.weight, padding=(1, 1))
    return F.linear(weight=p.fc.weight, bias=p.fc.bias,
                    input=torch.relu(input=p.bn_b(y).add(x)).mean(dim=(2, 3)))  # fmt: skip


def in_place(p, x):
    x = F.relu_(p.bn_a(p.a(x)))
    x = p.pool(x)
    y = p.bn_b(p.b(x))
    y += x
    y.clamp_(min=0)
    return p.fc(torch.flatten(p.gap(y), start_dim=1))


def by_hand(p, x):
    x = p.pool(torch.maximum(norm_by_hand(p.a(x), p.bn_a), torch.zeros(())))
    y = frozen_norm(p.b(x), p.bn_b)
    x = torch.where(x + y > 0, x + y, 0.0)
    return x.sum((2, 3)) / (x.shape[2] * x.shape[3]) @ p.fc.weight.T + p.fc.bias


def with_slices(p, x):
    x = p.pool(p.relu(p.bn_a(p.a(x))))
    x = (x + p.bn_b(p.b(x))).relu()
    x = F.avg_pool2d(x, x.size()[2:])
    return p.fc(x[:, :, 0, 0])


def channels_last(p, x):
    return p(x.to(memory_format=torch.channels_last).contiguous(memory_format=torch.channels_last))


def einsum(p, x):
    x = p.relu(p.bn_a(p.a(x)))
    x = p.pool(x)
    x = p.relu(p.bn_b(p.b(x)) + x)
    x = torch.einsum("bchw->bc", x) / math.prod(x.shape[2:])
    return torch.einsum("bc,kc->bk", x, p.fc.weight) + p.fc.bias


def matrix_at_the_end(p, x):
    x = p.pool(p.relu(p.bn_a(p.a(x))))
    x = p.relu(x + p.bn_b(p.b(x)))
    x = torch.mean(input=x, dim=[-1, -2], keepdim=True)
    return F.conv2d(x, p.fc.weight[:, :, None, None], p.fc.bias).flatten(1)


def gradients_off(p, x):
    with torch.no_grad():
        return p(x).detach()


def branched(p, x):
    if x.shape[-1] > 4:
        x = p.a(x)
    for step in (p.bn_a, p.relu, p.pool):
        x = step(x)
    batch = x.shape[0]
    return p.fc(p.gap(p.relu(sum([x, p.bn_b(p.b(x))]))).view(batch, -1))


def with_items(p, x):
    """Values are put into places of others, of which half are constants."""
    x = p.relu(p.bn_a(p.a(x)))
    y = torch.ones_like(x)
    y[:, :4] = x[:, :4] / 2
    y[:, 4:] = 0
    y[:, :4] *= 2
    y[:, 4:] += x[:, 4:]
    x = p.pool(y)
    return p.fc(p.gap(p.relu(x + p.bn_b(p.b(x)))).flatten(1))


def affine_input(p, x):
    return p((x * 2.0 + 1.0 - 1.0) / 2.0)


def dropped(p, x):
    return p(F.dropout(nn.Identity()(x), training=p.training))


def padded_by_hand(p, x):
    x = F.conv2d(F.pad(x, (1, 1, 1, 1)), p.a.weight, p.a.bias)
    x = p.pool(p.relu(p.bn_a(x)))
    y = F.conv2d(nn.ZeroPad2d(1)(x), p.b.weight)
    return p.fc(p.gap(p.relu(x + p.bn_b(y))).flatten(1))


def on_permuted_cells(p, x):
    """Convolutions as linear layers on unfolded neighbourhoods; batch norm on channels last."""
    x = p.pool(p.relu(p.bn_a(p.a(x))))
    y = F.unfold(x, 3, padding=1).mT @ p.b.weight.flatten(1).T
    y = y * (p.bn_b.weight / (p.bn_b.running_var + p.bn_b.eps).sqrt())
    y = y + (p.bn_b.bias - p.bn_b.running_mean * p.bn_b.weight / (p.bn_b.running_var + p.bn_b.eps).sqrt())
    return p.fc(p.gap(F.relu(x + y.mT.unflatten(2, x.shape[2:]))).flatten(1))


def written(function):
    return lambda plain: Written(function, plain)


class Written(nn.Module):
    def __init__(self, function, plain):
        super().__init__()
        self.plain, self.function = plain, function

    def forward(self, x):
        return self.function(self.plain, x)


def as_sequence(plain):
    rest = nn.Module()
    rest.forward = lambda x: plain.relu(x + plain.bn_b(plain.b(x)))
    steps = {"stem": nn.Sequential(plain.a, plain.bn_a, plain.relu, plain.pool), "rest": rest}
    return nn.Sequential(*steps.values(), plain.gap, plain.flatten, plain.fc)


def standardised(plain):
    layer = Standardised(3, 8, 3, padding=1)
    layer.load_state_dict(plain.a.state_dict())
    plain.a = layer
    return plain


def reparametrised(change):
    def make(plain):
        change(plain)
        return plain

    return make


def normed(plain):
    parametrizations.weight_norm(plain.a)


def old_normed(plain):
    plain.a = weight_norm(plain.a)


def pruned(plain):
    prune.identity(plain.b, "weight")


WAYS = {
    **{f.__name__: written(f) for f in (
        functional, in_place, by_hand, with_slices, channels_last, einsum, matrix_at_the_end, gradients_off, branched,
        with_items, affine_input, dropped, padded_by_hand, on_permuted_cells)},
    "reused": Reused, "relu in batch norm": WithReLUNorm, "sequence": as_sequence, "standardised": standardised,
    "weight norm": reparametrised(normed), "old weight norm": reparametrised(old_normed),
    "pruned": reparametrised(pruned), "scripted": torch.jit.script,
}  # fmt: skip


@pytest.fixture
def plain():
    with isolated(0):
        network = Plain()
        for norm in (network.bn_a, network.bn_b):
            nn.init.uniform_(norm.weight, -1, 2)
            nn.init.uniform_(norm.bias, -1, 1)
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
    return network.eval()


def assert_same_map(network, other, images, start=torch.ones_like):
    with torch.no_grad():
        torch.testing.assert_close(other(images.clone()), network(images.clone()), rtol=1e-4, atol=1e-5)
    for bias in ("share", "zero"):
        ours, theirs = (propagate(n, lambda net, x: net(x), images, start, bias=bias) for n in (network, other))
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4 * float(ours.abs().max()))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("way", WAYS)
def test_a_network_written_in_another_way_has_the_same_map(plain, way):
    other = WAYS[way](copy.deepcopy(plain)).eval()
    assert_same_map(plain, other, noise(3, 3, 16, 16))


def test_units_within_a_network_do_not_matter(plain):
    other = copy.deepcopy(plain)
    with torch.no_grad():
        for part in (*other.bn_a.parameters(), *other.bn_b.parameters()):
            part *= 1e-5
        other.bn_b.running_mean *= 1e-5
        other.bn_b.running_var *= 1e-10
        other.bn_b.eps *= 1e-10
        other.fc.weight *= 1e5
    assert_same_map(plain, other, noise(2, 3, 16, 16))


def test_one_layer_applied_twice_has_the_map_of_two_with_equal_weights():
    with isolated(0):
        a, b, fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 3)
    head = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc)
    once = nn.Sequential(a, nn.ReLU(), b, nn.ReLU(), b, *head).eval()
    twice = nn.Sequential(a, nn.ReLU(), b, nn.ReLU(), copy.deepcopy(b), *head).eval()
    assert_same_map(once, twice, noise(2, 3, 12, 12))


def test_one_pooling_serves_two_stages():
    with isolated(0):
        pool, a, b = nn.AvgPool2d(2), nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        rest = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    once = nn.Sequential(a, nn.ReLU(), pool, b, pool, *rest).eval()
    other = nn.Sequential(a, nn.ReLU(), nn.AvgPool2d(2), b, nn.AvgPool2d(2), *rest).eval()
    assert_same_map(once, other, noise(2, 3, 16, 16))


class Attentive(nn.Module):
    """A transformer block on patches, with a class token and embeddings of positions."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, stride=4)
        self.token, self.place = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.norm, self.last = nn.LayerNorm(16), nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.mlp(x)
        return self.fc(self.last(x)[:, 0])


def attention_by_hand(net, x):
    x = F.unfold(x, 4, stride=4).transpose(1, 2) @ net.patch.weight.flatten(1).T + net.patch.bias
    x = torch.cat([net.token + torch.zeros(len(x), 1, 16), x], 1) + net.place
    y = layer_norm_by_hand(x, net.norm)
    q, k, v = F.linear(y, net.attention.in_proj_weight, net.attention.in_proj_bias).chunk(3, -1)
    q, k, v = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in (q, k, v))
    weights = F.softmax(torch.einsum("bhqd,bhkd->bhqk", q, k) / 2, -1)
    x = x + net.attention.out_proj((weights @ v).transpose(1, 2).reshape(y.shape))
    z = layer_norm_by_hand(x, net.mlp[0]) @ net.mlp[1].weight.T + net.mlp[1].bias
    z = z * 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    return net.fc(layer_norm_by_hand(x + net.mlp[3](z), net.last)[:, 0])


def scaled_dot_product(net, x):
    x = net.patch(x).flatten(2).mT
    x = torch.cat([net.token.repeat(len(x), 1, 1), x], dim=1).add(net.place)
    q, k, v = F.linear(net.norm(x), net.attention.in_proj_weight, net.attention.in_proj_bias).unflatten(-1, (3, 4, 4)).permute(2, 0, 3, 1, 4)  # fmt: skip # noqa: E501
    x = x + net.attention.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    x += net.mlp(x)
    return net.fc(net.last(x).select(1, 0))


def layer_norm_by_hand(x, norm):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


@pytest.fixture
def attentive():
    with isolated(0):
        network = Attentive()
        for norm in (network.norm, network.last, network.mlp[0]):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -1, 1)
    return network.eval()


@pytest.mark.parametrize("way", [attention_by_hand, scaled_dot_product, lambda net, x: copy.deepcopy(net)(x)])
def test_a_transformer_written_in_another_way_has_the_same_map(attentive, way):
    assert_same_map(attentive, Written(way, copy.deepcopy(attentive)).eval(), noise(2, 3, 16, 16))


def test_what_pixels_and_constants_of_a_transformer_take_is_what_was_put_on_the_output(attentive):
    pixels, constants = shares(attentive, lambda net, x: net(x), noise(3, 3, 16, 16), torch.ones_like)
    assert float(pixels.sum()) + constants == pytest.approx(12, abs=1e-3)


class Mixing(nn.Module):
    """Attention that mixes what it sees with where it looks by itself, as ConViT's does."""

    def __init__(self):
        super().__init__()
        self.patch, self.qkv, self.fc = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 24), nn.Linear(8, 4)
        self.place = nn.Parameter(torch.randn(16, 16))

    def forward(self, x):
        q, k, v = self.qkv(self.patch(x).flatten(2).mT).chunk(3, -1)
        gate = torch.sigmoid(torch.tensor(0.3))
        weights = (1 - gate) * (q @ k.mT).softmax(-1) + gate * self.place.softmax(-1)
        weights = weights - 0.2 * (k @ q.mT).softmax(-1)
        return self.fc((weights / weights.sum(-1, keepdim=True) @ v).mean(1))


def test_sums_and_products_of_weights_of_attention_are_weights_of_attention():
    with isolated(0):
        network = Mixing().eval()
    pixels, constants = shares(network, lambda net, x: net(x), noise(3, 3, 16, 16), torch.ones_like)
    assert float(pixels.sum()) + constants == pytest.approx(12, abs=1e-3)


ACTIVATIONS = {
    F.relu: [
        lambda x: x.clamp(min=0), lambda x: torch.where(x > 0, x, 0.0), lambda x: x * (x > 0),
        lambda x: torch.maximum(x, torch.zeros(())),
    ],
    F.gelu: [lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))],
    functools.partial(F.gelu, approximate="tanh"): [
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ],
    F.silu: [lambda x: x * torch.sigmoid(x), lambda x: x / 1 * x.sigmoid()],
    F.hardswish: [lambda x: x * (x + 3).clamp(0, 6) / 6],
}  # fmt: skip


class Gated(nn.Module):
    """A product of two values of one size, of which one has an activation (SwiGLU and its kin)."""

    def __init__(self, activation):
        super().__init__()
        self.conv, self.u, self.v, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)
        self.activation = activation

    def forward(self, x):
        x = self.conv(x).flatten(2).mT
        return self.fc((self.activation(self.u(x)) * self.v(x)).mean(1))


@pytest.mark.parametrize(("plain", "written"), [(f, way) for f, ways in ACTIVATIONS.items() for way in ways])
def test_a_gate_of_an_activation_is_one_however_it_is_written(plain, written):
    networks = []
    for activation in (plain, written):
        with isolated(0):
            networks.append(Gated(activation).eval())
    assert_same_map(*networks, noise(2, 3, 12, 12))


def test_relevance_in_a_transformer_is_gradient_times_value_with_attention_and_deviations_taken_as_constant(attentive):
    """At the patches: the network is linear there, so that the first layer receives value times gradient."""

    def held(net, x, detach):
        x = torch.cat([net.token.expand(len(x), -1, -1), x], 1) + net.place
        y = standardised_norm(x, net.norm, detach)
        q, k, v = F.linear(y, net.attention.in_proj_weight, net.attention.in_proj_bias).unflatten(-1, (3, 4, 4)).permute(2, 0, 3, 1, 4)  # fmt: skip # noqa: E501
        weights = detach((q @ k.mT / 2).softmax(-1))
        x = x + net.attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
        z = net.mlp[1](standardised_norm(x, net.mlp[0], detach))
        x = x + net.mlp[3](z * detach(F.gelu(z) / z))
        return net.fc(standardised_norm(x, net.last, detach)[:, 0])

    def standardised_norm(x, norm, detach):
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred * detach((centred.var(-1, unbiased=False, keepdim=True) + norm.eps).rsqrt()) * norm.weight
            + norm.bias
        )

    images = noise(2, 3, 16, 16)
    patches = attentive.patch(images).flatten(2).transpose(1, 2).detach().requires_grad_()
    logits = held(attentive, patches, torch.Tensor.detach)
    torch.testing.assert_close(logits, attentive(images), rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), patches)
    cells = (patches * gradient).sum(2).detach().view(2, 4, 4)
    ours = propagate(attentive, lambda net, x: net(x)[:, 1:2], images, lambda value: value)
    torch.testing.assert_close(F.avg_pool2d(ours[:, None], 4)[:, 0] * 16, cells, rtol=1e-3, atol=1e-5)


SIGMOIDS = {
    "divided by": lambda x, m: x / (1 + torch.exp(-m)),
    "times the inverse": lambda x, m: x * (1 / (1 + torch.exp(-m))),
    "times the reciprocal": lambda x, m: x * torch.reciprocal(torch.exp(-m) + 1),
    "to the power of -1": lambda x, m: torch.pow(1 + (-m).exp(), -1) * x,
    "a number to a power": lambda x, m: x / (1 + math.e ** (-m)),
    "less than 1": lambda x, m: x * (1 - 1 / (1 + m.exp())),
    "exponential of a logarithm": lambda x, m: x * F.logsigmoid(m).exp(),
    "tanh": lambda x, m: x * (0.5 + 0.5 * torch.tanh(m / 2)),
    "softmax of two": lambda x, m: x * torch.stack([m, torch.zeros_like(m)]).softmax(0)[0],
    "quotient of exponentials": lambda x, m: x * (m.exp() / (1 + m.exp())),
    "quotient of exponentials, repeated": lambda x, m: x * (m.exp() / (1 + m.exp())).expand_as(x),
    "divided by a sum": lambda x, m: x * m.exp() / (1 + m.exp()),
    "repeated": lambda x, m: x / (1 + torch.exp(-m.expand_as(x))),
}
RAMPS = {
    "two clamps": lambda x, m: x * (m / 6 + 0.5).clamp(min=0).clamp(max=1),
    "min of max": lambda x, m: x * torch.minimum(torch.maximum(m / 6 + 0.5, torch.zeros(())), torch.ones(())),
    "relu6": lambda x, m: F.relu6(m + 3) * x / 6,
    "divided by": lambda x, m: x / (1 / (m / 6 + 0.5).clamp(1e-9, 1)),
}
NORMS = {
    "divided by": lambda x, s: x / (s + 1e-5).sqrt(),
    "times": lambda x, s: x * (s + 1e-5).rsqrt(),
    "to a power": lambda x, s: (s + 1e-5) ** -0.5 * x,
    "times the inverse": lambda x, s: (1 / (s + 1e-5).sqrt()) * x,
    "repeated": lambda x, s: x / (s.expand_as(x) + 1e-5).sqrt(),
    "repeated before a power": lambda x, s: x * (s.expand_as(x) + 1e-5).rsqrt(),
}


def gated(net, x, means, write, factor):
    x = net.relu(net.bn_b(net.b(net.relu(net.bn_a(net.a(x))))))
    return net.fc(write(x, means(x) * factor).mean((2, 3)))


@pytest.mark.parametrize("means", [
    lambda x: x.mean((2, 3), keepdim=True), lambda x: x.mean(1, keepdim=True), lambda x: x.flip(1) - 0.5,
], ids=["of cells", "of channels", "of each element"])  # fmt: skip
@pytest.mark.parametrize(("plainly", "name", "write"), [
    *((lambda x, m: x * torch.sigmoid(m), *item) for item in SIGMOIDS.items()),
    *((lambda x, m: x * F.hardsigmoid(m), *item) for item in RAMPS.items()),
])  # fmt: skip
def test_a_gate_written_in_another_way_has_the_same_map_or_none(plain, means, plainly, name, write):
    networks = [Written(functools.partial(gated, means=means, write=w, factor=3.0), plain) for w in (plainly, write)]
    try:
        propagate(networks[1], lambda net, x: net(x), noise(2, 3, 16, 16), torch.ones_like)
    except RelevanceUndefined:
        assert "of expon" in name or name == "divided by a sum" or write is RAMPS["divided by"]
    else:
        assert_same_map(*networks, noise(2, 3, 16, 16))


@pytest.mark.parametrize("write", NORMS.values(), ids=NORMS)
def test_a_norm_written_in_another_way_has_the_same_map(plain, write):
    networks = [
        Written(functools.partial(gated, means=lambda x: (x * x).mean(1, keepdim=True), write=w, factor=1.0), plain)
        for w in (NORMS["divided by"], write)
    ]
    assert_same_map(*networks, noise(2, 3, 16, 16))


def shift_by_slices(net, x):
    y = torch.zeros_like(x)
    y[:, :2, 1:] = x[:, :2, :-1]
    y[:, 2:4, :-1] = x[:, 2:4, 1:]
    y[:, 4:] = x[:, 4:]
    return y


def shift_by_padding(net, x):
    down, up = F.pad(x[:, :2, :-1], (0, 0, 1, 0)), F.pad(x[:, 2:4, 1:], (0, 0, 0, 1))
    return torch.cat([down, up, x[:, 4:]], 1)


def partial_by_slices(net, x):
    x = x.clone()
    x[:, :4] = F.conv2d(x[:, :4], net.b.weight[:4, :4], padding=1)
    return x


def partial_by_cat(net, x):
    return torch.cat([F.conv2d(x[:, :4], net.b.weight[:4, :4], padding=1), x[:, 4:]], 1)


def every_second_by_slices(net, x):
    y = torch.empty_like(x)
    y[:, ::2], y[:, 1::2] = x[:, 1::2], x[:, ::2]
    return y


def one_by_one(net, x):
    y = x.new_empty(x.shape)
    for channel in range(8):
        y[:, channel] = x[:, channel ^ 1]
    return y


def copied_over(net, x):
    y = torch.ones_like(x)
    y.copy_(net.b(x))
    return y


ASSIGNED = {
    "shift": (shift_by_slices, shift_by_padding),
    "partial convolution": (partial_by_slices, partial_by_cat),
    "every second": (every_second_by_slices, lambda net, x: x.unflatten(1, (4, 2)).flip(2).flatten(1, 2)),
    "one by one": (one_by_one, every_second_by_slices),
    "copy_": (copied_over, lambda net, x: net.b(x)),
    "one for all": (lambda net, x: torch.zeros_like(x).copy_(x[:, :1]), lambda net, x: x[:, :1].expand_as(x)),
}


@pytest.mark.parametrize(("assigned", "joined"), ASSIGNED.values(), ids=ASSIGNED)
def test_values_assigned_to_slices_have_the_map_of_values_joined(plain, assigned, joined):
    def between(net, x, step):
        return net.fc(net.relu(net.bn_b(net.b(step(net, net.relu(net.bn_a(net.a(x))))))).mean((2, 3)))

    networks = [Written(functools.partial(between, step=step), plain).eval() for step in (joined, assigned)]
    assert_same_map(*networks, noise(2, 3, 16, 16))


REFUSED = {
    "product": (lambda net, x: net(x) * 0 + (net.a(x) * net.b(net.a(x))).mean((2, 3))[:, :4], "'mul'"),
    "sorted positions": (lambda net, x: net(x).argsort(1).float(), "'_to_copy'|'argsort'|'sort'|to_copy"),
    "branch on a value": (lambda net, x: net(x) if x.max() > 0 else net(-x), "cannot be recorded"),
    "complex": (
        lambda net, x: net(x + (torch.fft.fft2(x) * torch.tensor(1j)).real),
        "'_fft_r2c'|'select'|'view_as_real'",
    ),
    "random": (lambda net, x: net(x + torch.randn_like(x)), "'randn_like'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_rule_is_refused_by_name(plain, case):
    function, name = REFUSED[case]
    with pytest.raises(RelevanceUndefined, match=name):
        propagate(Written(function, plain).eval(), lambda net, x: net(x), noise(2, 3, 16, 16), torch.ones_like)


def test_a_step_that_pytorch_does_not_go_back_through_is_refused_by_name(plain, monkeypatch):
    monkeypatch.setitem(recording._WRITTEN_OUT, torch.ops.aten.copy.default, lambda *_: NotImplemented)
    network = Written(lambda net, x: net(torch.empty_like(x).copy_(x)), plain).eval()
    with pytest.raises(RelevanceUndefined, match=r"its step 'copy' has no rule of relevance: .*derivative"):
        propagate(network, lambda net, x: net(x), noise(2, 3, 16, 16), torch.ones_like)


def test_a_changed_weight_changes_the_map_at_once(plain):
    images = noise(2, 3, 16, 16)
    make = functools.partial(propagate, plain, Plain.forward, images, torch.ones_like)
    first = make()
    assert torch.equal(make(), first)
    plain.fc.weight.data.mul_(torch.linspace(0.5, 2, 8))  # an edit that no version counter sees
    assert_same_map(copy.deepcopy(plain), plain, images)
    assert not torch.allclose(make(), first)


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)
        self.a, self.b = nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x):
        x = F.relu(self.stem(x))
        return self.fc(F.relu(self.a(x) + self.b(x)).mean((2, 3)))


def test_a_weight_changed_behind_the_counters_changes_the_map_where_the_output_stays():
    """What the one of two summed convolutions gains, the other loses; their shares of relevance change."""
    with isolated(0):
        network = Twins().eval()
    images = noise(2, 3, 16, 16)
    first = propagate(network, Twins.forward, images, torch.ones_like)
    gained = network.a.weight.roll(1, 0)
    network.a.weight.data.add_(gained)
    network.b.weight.data.sub_(gained)
    assert_same_map(copy.deepcopy(network), network, images)
    assert not torch.allclose(propagate(network, Twins.forward, images, torch.ones_like), first)
