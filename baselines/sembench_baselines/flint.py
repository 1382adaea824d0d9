"""FLINT: a network is learned together with its interpreter, a small dictionary of attributes.

J. Parekh, P. Mozharovskyi, F. d'Alche-Buc: *A Framework to Learn with Interpretation*, NeurIPS 2021. What decides
here is FLINT-g, the interpreter's own classifier, as in [K].
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone, channels_last
from sembench.data.dataset import Split
from sembench.explainers.explainer import SelfExplainableModel, TrainedExplainer
from sembench.relevance.propagation import Bias, propagate
from sembench.training.classifier import cosine
from sembench.training.stages import Session, Stage, Step, train_in_stages
from sembench.types import SHARED, Capability, Explanation, Prototypes
from sembench_baselines.settings import PAPER, PerClass, Presets, Weight, prototypes_of_class, require_at_least

_CHANNELS = 64


def input_fidelity(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Mean squared error between the decoder's images and the normalised ones, both ``(B, 3, H, W)``."""
    return F.mse_loss(reconstruction, images)


def output_fidelity(scores: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of FLINT-g's scores ``(B, C)`` with the black-box head's softmax ``(B, C)`` as a fixed target."""
    return F.cross_entropy(scores, logits.detach().softmax(1))


def conciseness(attributes: Tensor) -> Tensor:
    """The l1 norm of the attributes ``(B, J)``, divided by ``J``, mean over images."""
    return attributes.abs().mean()


def entropy_per_image(attributes: Tensor) -> Tensor:
    """Mean over images of the entropy of ``softmax |a|``, nats: small where an image has few attributes."""
    return _entropy(attributes.abs().softmax(1)).mean()


def entropy_of_mean(attributes: Tensor) -> Tensor:
    """Entropy of the mean over images of ``softmax |a|``, nats: large where a batch uses many attributes."""
    return _entropy(attributes.abs().softmax(1).mean(0))


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.xlogy(probabilities, probabilities).sum(-1)


class Decoder(nn.Module):
    """From attributes back to an image: a linear layer to a quarter of the size, then two steps up.

    Args:
        attributes: Number of attributes, ``J``.
        image_size: Height and width of the image, pixels.
    """

    def __init__(self, attributes: int, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.side = -(-image_size // 4)
        self.start = nn.Linear(attributes, 32 * self.side**2)
        self.up = nn.Sequential(
            nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), nn.BatchNorm2d(16),
            nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 3, padding=1), nn.BatchNorm2d(8),
            nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1),
        )  # fmt: skip

    def forward(self, attributes: Tensor) -> Tensor:
        """``(B, J)`` to normalised images ``(B, 3, H, W)``."""
        images = self.up(self.start(attributes).unflatten(1, (32, self.side, self.side)))
        return images[..., : self.image_size, : self.image_size]  # type: ignore[no-any-return]


class FLINTModel(SelfExplainableModel):
    """A network, its attributes Psi, and the linear classifier h that decides on them.

    Psi: a 3x3 convolution to 64 channels on each of two taps, the first one strided down to the second one's
    resolution; a third 3x3 convolution on both; average pooling; a linear layer. ReLU after each.

    Args:
        network: A backbone of the right architecture, whose parts become the model's.
        attributes: Number of attributes, ``J``.
        image_size: Height and width of images, pixels.
        recipe: The hyper-parameters.
    """

    def __init__(self, network: Backbone, attributes: int, image_size: int, recipe: FLINT) -> None:
        super().__init__()
        self.recipe = recipe
        self.bias = recipe.bias
        self.blocks, self.attribution = network.blocks, network.attribution
        self.pool = network.pool
        self.classifier = network.classifier
        *seen, _ = self._taps(torch.zeros(1, 3, image_size, image_size))
        size = seen[-1].shape[-1]
        self.taps = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(maps.shape[1], _CHANNELS, 3, stride=max(1, round(maps.shape[-1] / size)), padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(size),
            )
            for maps in seen
        )
        self.merge = nn.Sequential(
            nn.Conv2d(len(seen) * _CHANNELS, recipe.latent, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.attribute_layer = nn.Linear(recipe.latent, attributes)
        self.activation = nn.ReLU()
        self.h = nn.Linear(attributes, network.n_classes)
        self.decoder = Decoder(attributes, image_size)
        self.register_buffer("image_size", torch.tensor(image_size))

    @property
    def prototypes(self) -> Prototypes:
        """The rows of Psi's last layer; each belongs to the class with the largest weight in h [ours]."""
        classes = self.h.weight.argmax(0)
        if self.recipe.shared:
            classes = torch.full_like(classes, SHARED)
        return Prototypes(self.attribute_layer.weight.detach(), classes)

    def _taps(self, images: Tensor) -> list[Tensor]:
        """The third stage's output, the input of the last stage's last block, and the last feature map.

        Where the last stage is a single block, its output is taken instead of its input [ours], which is the third
        stage's output already.
        """
        *earlier, stage = self.blocks
        for block in earlier:
            images = block(images)
        first = images
        inner = list(stage) if isinstance(stage, nn.Sequential) and len(stage) > 1 else []
        for block in inner[:-1]:
            images = block(images)
        last = inner[-1](images) if inner else stage(images)
        return [first, images if inner else last, last]

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The embedding ``z (B, D)``, input of Psi's last layer, and the last feature map. One forward pass."""
        *seen, last = self._taps(images)
        maps = torch.cat([tap(x) for tap, x in zip(self.taps, seen, strict=True)], 1)
        return self.merge(maps).flatten(1), last

    def embed(self, images: Tensor) -> Tensor:
        return self.look(images)[0]

    def scores(self, images: Tensor) -> Tensor:
        """FLINT-g's class scores ``(B, C)``."""
        return self.h(self.activation(self.attribute_layer(self.embed(images))))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Explanation:
        embeddings = self.embed(images)
        attributes = self.activation(self.attribute_layer(embeddings))
        return Explanation(self.h(attributes), attributes, embeddings=embeddings)

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self) -> Tensor:
        weight = self.attribute_layer.weight.detach().double()
        return F.relu(weight @ weight.T + self.attribute_layer.bias.detach().double())

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """The target's probability on FLINT-g's score, carried through h, Psi and the network by the same composite."""

        def seed(scores: Tensor) -> Tensor:
            chosen = (scores.argmax(1) if targets is None else targets)[:, None]
            return torch.zeros_like(scores).scatter_(1, chosen, scores.softmax(1).gather(1, chosen))

        return propagate(self, FLINTModel.scores, images, seed, bias=self.bias)

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """The attribute's activation, carried through Psi and the network; no relevance where it is off."""

        def seed(attributes: Tensor) -> Tensor:
            own = F.one_hot(prototypes, attributes.shape[1])
            return own * F.relu(attributes)

        return propagate(self, lambda model, x: model.attribute_layer(model.embed(x)), images, seed, bias=self.bias)


@dataclass(frozen=True)
class FLINT(TrainedExplainer):
    """FLINT-g. The terms of the loss are switched on in steps: first prediction and reconstruction, then the others.

    Attributes:
        prototypes_per_class: One number, or one per class; attributes in all are their sum.
        latent: Dimensions of the embedding, which the attributes are a linear layer and ReLU of.
        epochs: Epochs of training.
        fidelity_from: First epoch, counted from 1, with output fidelity and conciseness.
        entropy_from: First epoch with the two entropies.
        learning_rate: Adam's initial learning rate.
        final_learning_rate: Learning rate at the last step of the cosine schedule.
        batch_size: Images per step.
        prediction: Weight of the black-box head's cross-entropy.
        reconstruction: Weight of `input_fidelity`.
        fidelity: Weight of `output_fidelity`.
        concise: Weight of `conciseness`.
        entropy: Weight of `entropy_per_image`.
        diversity: Weight of `entropy_of_mean`, which is subtracted.
        shared: Let no attribute belong to a class.
        bias: Whether biases take a share of the relevance, see `sembench.relevance.propagation.propagate`.

    Note:
        In FLINT's own code the third convolution has 64 channels and is pooled to 3x3 cells, an embedding of 576
        dimensions. The latent size of 512 is [K]'s (A.2); that it is reached by as many channels, pooled to one cell,
        is [ours].
    """

    presets: ClassVar[Presets] = {
        "quick": {"*": {}},
        "scratch": {
            name: {
                "epochs": epochs, "fidelity_from": fidelity, "entropy_from": entropy, "learning_rate": 1e-3,
                "batch_size": 128,
            }
            for name, (epochs, fidelity, entropy) in {
                "*": (2, 1, 2), "quickdraw": (8, 3, 5), "cifar10": (4, 2, 3),
            }.items()
        },
        "paper": {
            name: {
                "epochs": epochs, "fidelity_from": 3, "entropy_from": 5, "learning_rate": 1e-3, "batch_size": 128,
                **PAPER.get(name, PAPER["*"]),
            }
            for name, epochs in {
                "mnist": 10, "fashion-mnist": 10, "svhn": 10, "cifar10": 30, "stl10": 30, "quickdraw": 30, "celeba": 10,
            }.items()
        },
    }  # fmt: skip

    prototypes_per_class: PerClass = 5
    latent: int = 512
    epochs: int = 6
    fidelity_from: int = 2
    entropy_from: int = 3
    learning_rate: Weight = 2e-3
    final_learning_rate: Weight = 1e-4
    batch_size: int = 32
    prediction: Weight = 0.8
    reconstruction: Weight = 0.8
    fidelity: Weight = 1.0
    concise: Weight = 0.1
    entropy: Weight = 0.2
    diversity: Weight = 0.2
    shared: bool = False
    bias: Bias = "share"

    def __post_init__(self) -> None:
        self.require_choices(bias=("share", "zero"))
        require_at_least(self, epochs=0, batch_size=2, fidelity_from=1, entropy_from=1, latent=1)

    def train(self, backbone: Backbone, train: Split, session: Session) -> FLINTModel:
        count = sum(prototypes_of_class(self.prototypes_per_class, train.n_classes))
        model = self._built(backbone.renewed(), count, train.image_size).to(backbone.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate, fused=True)
        schedule = cosine(optimizer, self.epochs, len(train), self.batch_size, self.final_learning_rate)

        def loss(step: Step) -> dict[str, Tensor]:
            return self.losses(model, step.batch.images, step.batch.labels, step.epoch + 1)

        stage = Stage("FLINT", self.epochs, optimizer, loss, self.batch_size, [model], schedule)
        train_in_stages(model, train, [stage], session)
        return model

    def losses(self, model: FLINTModel, images: Tensor, labels: Tensor, epoch: int) -> dict[str, Tensor]:
        """The weighted terms that are switched on in an epoch, counted from 1."""
        embeddings, features = model.look(images)
        logits = model.classifier(model.pool(features).flatten(1)).float()
        attributes = model.activation(model.attribute_layer(embeddings)).float()
        terms = {
            "cross-entropy": self.prediction * F.cross_entropy(logits, labels),
            "input fidelity": self.reconstruction * input_fidelity(model.decoder(attributes).float(), images),
        }
        if epoch >= self.fidelity_from:
            terms["output fidelity"] = self.fidelity * output_fidelity(model.h(attributes).float(), logits)
            terms["conciseness"] = self.concise * conciseness(attributes)
        if epoch >= self.entropy_from:
            terms["entropy"] = self.entropy * entropy_per_image(attributes)
            terms["diversity"] = -self.diversity * entropy_of_mean(attributes)
        return terms

    def _built(self, network: Backbone, attributes: int, image_size: int) -> FLINTModel:
        network.cpu().eval()
        with torch.no_grad():
            model = FLINTModel(network, attributes, image_size, self)
        return channels_last(model)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> FLINTModel:
        model = self._built(copy.deepcopy(backbone), len(state["attribute_layer.weight"]), int(state["image_size"]))
        model.load_state_dict(state)
        return model.to(backbone.device).eval().requires_grad_(False)


@dataclass(frozen=True)
class FLINTShared(FLINT):
    """FLINT-g whose attributes belong to no class: any training image may use any of them."""

    supports = frozenset(Capability) - {Capability.EMBEDDINGS}
    lacks = {Capability.EMBEDDINGS: "its attributes belong to no class that they could be aligned with"}

    shared: bool = True
