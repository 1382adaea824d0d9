"""Networks as users bring them: each written in a way of its own, small, and known to no registry."""

import torch
import torch.nn.functional as F
from torch import nn


class PaddedConv(nn.Module):
    """A convolution that pads by hand, differently for even and odd sizes: it branches on shapes."""

    def __init__(self, before, after, stride=1, groups=1, act=True):
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride, padding=0 if stride == 2 else 1, groups=groups)
        self.stride = stride
        self.act = nn.ReLU6() if act else nn.Identity()

    def forward(self, x):
        if self.stride == 2:
            x = F.pad(x, (0, 1, 0, 1) if x.shape[-1] % 2 == 0 else (1, 1, 1, 1))
        return self.act(self.conv(x))


class InvertedResidual(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        wide = 3 * before
        self.body = nn.Sequential(
            nn.Conv2d(before, wide, 1), nn.ReLU6(), PaddedConv(wide, wide, stride, wide), nn.Conv2d(wide, after, 1)
        )
        self.residual = stride == 1 and before == after

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class Mobile(nn.Module):
    """Batch norm folded in, residual sums written with ``+``, a trunk, ``mean((2, 3))``, a linear layer."""

    def __init__(self, classes=10):
        super().__init__()
        self.trunk = nn.Sequential(
            PaddedConv(3, 8, 2),
            InvertedResidual(8, 8, 1),
            InvertedResidual(8, 12, 2),
            InvertedResidual(12, 12, 1),
            InvertedResidual(12, 16, 2),
            nn.Conv2d(16, 24, 1),
            nn.ReLU6(),
        )
        self.classifier = nn.Linear(24, classes)

    def forward(self, x):
        return self.classifier(self.trunk(x).mean((2, 3)))


class Squeeze(nn.Module):
    """A residual block with squeeze and excitation, SiLU, batch norm and everything functional."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        y = F.silu(self.norm(self.conv(x)))
        gate = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(y, 1)))))
        x = x + y * gate
        return 0.5 * x


class Dense(nn.Module):
    """Batch norm before its convolution, concatenation, a transposed order of everything."""

    def __init__(self, channels, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv(F.relu(self.norm(x), inplace=True))], 1)


class Mixed(nn.Module):
    """Dense and gated blocks, max and average pooling by function, dropout, ``view`` with the batch's size."""

    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.dense = Dense(8, 4)
        self.squeeze = Squeeze(12)
        self.last = nn.Conv2d(12, 16, 3, padding=1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 2)
        x = F.avg_pool2d(self.dense(x), 2)
        x = F.max_pool2d(self.squeeze(x), 2)
        x = F.adaptive_avg_pool2d(F.relu_(self.last(x)), 1)
        return self.fc(self.dropout(x.view(x.size(0), -1)))


class Perceptron(nn.Module):
    """A classifier of two linear layers behind the pool, as VGG has."""

    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(32, 20), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(20, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class Unruly(nn.Module):
    """A product of two values of the image, for which there is no rule."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.more = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc((self.conv(x) * self.more(x)).mean((2, 3)))


class Grouped(nn.Module):
    """A layer normalisation over channels, which divides by statistics of the image."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(1, 8)
        self.more = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc(self.more(self.norm(self.conv(x)).relu()).mean((2, 3)))


FORMS = {"mobile": Mobile, "mixed": Mixed, "perceptron": Perceptron, "grouped": Grouped, "unruly": Unruly}
