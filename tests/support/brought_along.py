"""A small network that somebody trained on the digits, with a normalisation of his own, and the digits as files."""

from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from sembench.data.normalisation import Normalisation
from sembench.data.sets.digits import digits
from sembench.seeding import isolated

SIZE = 16
OWN = Normalisation((0.36, 0.28, 0.33), (0.3, 0.32, 0.36))
"""How the network wants its images: not the statistics of the digits, which are .31 and .33."""

FACTORY = """
from torch import nn

def make():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )
"""


def by_hand(network, pixels, normalisation=OWN):
    """Predictions of the bare module, on pixels that are normalised here."""
    mean, std = (torch.tensor(v)[None, :, None, None] for v in (normalisation.mean, normalisation.std))
    with torch.no_grad():
        return network.eval()((pixels.expand(-1, 3, -1, -1) - mean) / std).argmax(1)


@pytest.fixture(scope="session")
def brought(tmp_path_factory):
    """The network, the files that a suite names, the data set, and its predictions of the test images by hand."""
    folder = tmp_path_factory.mktemp("brought")
    (folder / "net.py").write_text(FACTORY)
    names = {}
    exec(FACTORY, names)
    data = digits(image_size=SIZE)
    images, labels = data.train.load(torch.arange(len(data.train))), data.train.labels
    images = (images - torch.tensor(OWN.mean)[:, None, None]) / torch.tensor(OWN.std)[:, None, None]
    with isolated(0):
        network: nn.Module = names["make"]()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for epoch in range(12):
            optimizer.param_groups[0]["lr"] = 0.01 * (1 - epoch / 12)
            for part in torch.randperm(len(labels)).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(images[part]), labels[part]).backward()
                optimizer.step()
    network.eval()
    weights = folder / "weights.safetensors"
    safetensors.torch.save_file(network.state_dict(), weights)
    predictions = by_hand(network, data.test.load(torch.arange(len(data.test))))
    accuracy = float((predictions == data.test.labels).double().mean())
    assert accuracy > 0.85, accuracy
    return SimpleNamespace(
        network=network, name=f"{folder / 'net.py'}:make", weights=str(weights), data=data, predictions=predictions,
        accuracy=accuracy,
    )  # fmt: skip


@pytest.fixture(scope="session")
def as_files(tmp_path_factory, brought):
    """Twelve training and twelve test images of each digit as PNG files, sorted by class."""
    root = tmp_path_factory.mktemp("files") / "digits"
    for name, split in (("train", brought.data.train), ("test", brought.data.test)):
        pixels = (split.load(torch.arange(len(split))) * 255).round().to(torch.uint8)
        for label in range(10):
            (root / name / str(label)).mkdir(parents=True)
            for position in (split.labels == label).nonzero()[:12, 0].tolist():
                Image.fromarray(pixels[position].permute(1, 2, 0).numpy()).save(
                    root / name / str(label) / f"{position:04}.png"
                )
    return root
