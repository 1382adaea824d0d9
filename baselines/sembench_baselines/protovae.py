"""ProtoVAE: prototypes in the latent space of a variational autoencoder, which can be decoded into images.

S. Gautam, A. Boubekki, S. Hansen, S. Salahuddin, R. Jenssen, M. Hoehne, M. Kampffmeyer: *ProtoVAE: A Trustworthy
Self-Explainable Prototypical Variational Model*, NeurIPS 2022.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone, channels_last
from sembench.backbones.protovae_cnn import Halving, conv_level, dense_layers
from sembench.data.dataset import Split
from sembench.errors import FitImpossible
from sembench.explainers.explainer import SelfExplainableModel, TrainedExplainer
from sembench.relevance.propagation import Bias, propagate
from sembench.relevance.prototypes import Explained, prp, spread
from sembench.similarity import distances, log_similarity
from sembench.training.classifier import cosine
from sembench.training.stages import Session, Stage, Step, train_in_stages
from sembench.types import Explanation, Prototypes, Trait
from sembench_baselines.linear_head import linear_head, prototype_relevance
from sembench_baselines.settings import (
    PAPER,
    PerClass,
    Presets,
    Weight,
    class_of_each,
    prototypes_of_class,
    require_at_least,
)

Encoder = Literal["conv", "backbone"]

_LARGEST_LOG_VARIANCE = math.log(1e8)


def kl_to_prototypes(mean: Tensor, log_variance: Tensor, vectors: Tensor, similarities: Tensor, own: Tensor) -> Tensor:
    """Divergence of each image's Gaussian from those around its class's prototypes, mean over images.

        1/L sum_l  s_l / sum_m s_m  KL(N(mu, sigma^2) || N(p_l, 1))

    The divergence is a mean over dimensions; sums are over the ``L`` prototypes of the image's class.

    Args:
        mean: ``(B, D)``.
        log_variance: ``(B, D)``.
        vectors: Prototypes ``(P, D)``.
        similarities: ``(B, P)``, positive.
        own: Which prototypes are of the image's class, ``(B, P)``, boolean.

    Note:
        The weights of [K] Table 10 belong to this mean over prototypes, that of [K]'s code. ProtoVAE's own code has the
        weighted average, ``L`` times as much. The papers' text does not tell which one is meant [ours].
    """
    squared = (mean[:, None] - vectors).square().mean(2)
    divergence = 0.5 * (squared + (log_variance.exp() - log_variance - 1).mean(1, keepdim=True))
    weights = similarities * own
    return ((weights * divergence).sum(1) / weights.sum(1) / own.sum(1)).mean()


def orthogonality(vectors: Tensor, classes: Tensor) -> Tensor:
    """Mean over classes of the Frobenius norm of ``P P^T - I``, prototypes ``P (L, D)`` less their class mean.

    Note:
        The authors' code has ``P^T P``, of ``D x D``; both ask the prototypes of a class to be orthonormal.
    """
    parts = [vectors[classes == label] for label in classes.unique()]
    with torch.autocast(vectors.device.type, enabled=False):  # too few numbers for low precision to save time
        norms = [
            torch.linalg.matrix_norm((part - part.mean(0)) @ (part - part.mean(0)).T - torch.eye(len(part)).to(part))
            for part in parts
        ]
    return torch.stack(norms).mean()


def conv_encoder(channels: Sequence[int], image_size: int, latent: int, halving: Halving) -> nn.Sequential:
    """Levels that each halve the resolution; then two linear layers to mean and log variance."""
    levels = [conv_level(before, after, halving) for before, after in zip((3, *channels), channels, strict=False)]
    return nn.Sequential(*levels, dense_layers(channels[-1], image_size // 2 ** len(channels), 2 * latent))


def backbone_encoder(network: Backbone, latent: int) -> nn.Sequential:
    """The backbone's blocks, and two convolutions in place of its pooling."""
    wide = 2 * latent
    return nn.Sequential(
        *network.blocks,
        nn.Conv2d(network.channels, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
        nn.Conv2d(wide, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, wide),
    )  # fmt: skip


class Decoder(nn.Module):
    """The mirror of the convolutional encoder: each step doubles the size by a transposed convolution.

    Args:
        channels: Those of the encoder, first to last.
        image_size: Height and width of the image, pixels.
        latent: Dimensions of the latent space.
    """

    def __init__(self, channels: Sequence[int], image_size: int, latent: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.shape = (channels[-1], *(-(-image_size // 2 ** len(channels)),) * 2)
        flat = math.prod(self.shape)
        start = (nn.Linear(latent, flat), nn.ReLU(), nn.BatchNorm1d(flat), nn.Unflatten(1, self.shape))
        layers: list[nn.Module] = [*start]
        for before, after in zip(channels[::-1], (*channels[-2::-1], channels[0]), strict=True):
            layers += [
                nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(after),
                nn.ConvTranspose2d(after, after, 4, stride=2, padding=1), nn.ReLU(), nn.BatchNorm2d(after),
            ]  # fmt: skip
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[0], 3, 3, padding=1))

    def forward(self, latents: Tensor) -> Tensor:
        """``(B, D)`` to normalised images ``(B, 3, H, W)``."""
        return self.layers(latents)[..., : self.image_size, : self.image_size]  # type: ignore[no-any-return]


class ProtoVAEModel(SelfExplainableModel):
    """An encoder to Gaussians, prototypes among their means, a linear layer on similarities, and a decoder.

    Args:
        encoder: From images to mean and log variance, ``(B, 2 D)``.
        classes: Class of each prototype ``(P,)``.
        image_size: Height and width of images, pixels.
        n_classes: Number of classes, ``C``.
        recipe: The hyper-parameters.
    """

    def __init__(self, encoder: nn.Module, classes: Tensor, image_size: int, n_classes: int, recipe: ProtoVAE) -> None:
        super().__init__()
        self.recipe = recipe
        self.bias = recipe.bias
        self.encoder = encoder
        self.vectors = nn.Parameter(torch.randn(len(classes), recipe.latent))
        self.last = linear_head(classes, n_classes)
        self.decoder = Decoder(tuple(recipe.channels), image_size, recipe.latent)
        self.register_buffer("classes", classes)
        self.register_buffer("image_size", torch.tensor(image_size))
        self.classes: Tensor

    @property
    def prototypes(self) -> Prototypes:
        return Prototypes(self.vectors.detach(), self.classes)

    def gaussian(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of an image's latent vector, each ``(B, D)``."""
        mean, log_variance = self.encoder(images).float().chunk(2, 1)
        return mean, log_variance.clamp(-_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)

    def embed(self, images: Tensor) -> Tensor:
        return self.gaussian(images)[0]

    def similarity(self, latents: Tensor, vectors: Tensor) -> Tensor:
        """``(M, D)`` and ``(P, D)`` to ``(M, P)``, positive."""
        return log_similarity(distances(latents, vectors), self.recipe.epsilon)

    def forward(self, images: Tensor) -> Explanation:
        embeddings = self.embed(images)
        similarities = self.similarity(embeddings, self.vectors)
        return Explanation(self.last(similarities), similarities, embeddings=embeddings)

    def decode(self, latents: Tensor) -> Tensor:
        """Latent vectors ``(B, D)``, prototypes for example, to normalised images ``(B, 3, H, W)``."""
        return self.decoder(latents)  # type: ignore[no-any-return]

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self) -> Tensor:
        vectors = self.vectors.detach().double()
        return self.similarity(vectors, vectors)

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        return propagate(self, ProtoVAEModel.embed, images, lambda z: self.head_relevance(z, targets), bias=self.bias)

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """One prototype's relevance, 1, put on the mean's dimensions by the prototype rule and carried down."""
        return propagate(self, ProtoVAEModel.embed, images, lambda z: prp(z, self.vectors[prototypes]), bias=self.bias)

    def head_relevance(self, means: Tensor, targets: Tensor | None = None) -> Tensor:
        """Relevance of the mean's dimensions ``(B, D)``: the target's probability, shared out by the head.

        Last layer: to the class's own prototypes by their share of the class score. Similarity: by the prototype rule
        ``prp`` [ours: [K] section 4.3.2 names no rule].
        """
        similarities = self.similarity(means, self.vectors)
        weights = prototype_relevance(self.last, similarities, self.classes, targets, self.recipe.explained)
        return spread(weights, means, lambda z, j: prp(z, self.vectors[j]))


@dataclass(frozen=True)
class ProtoVAE(TrainedExplainer):
    """ProtoVAE: trained on samples, decides by means.

    Attributes:
        prototypes_per_class: One number, or one per class.
        encoder: ``"conv"``: convolutions of its own; ``"backbone"``: the backbone's blocks.
        channels: Channels of the convolutional encoder, and of the decoder that mirrors it.
        halving: How each level of that encoder halves the resolution, see `sembench.backbones.protovae_cnn.conv_level`.
        latent: Dimensions of the latent space.
        epsilon: Of the similarity ``log((d + 1) / (d + epsilon))``.
        epochs: Epochs of training.
        learning_rate: Adam's initial learning rate.
        final_learning_rate: Learning rate at the last step of the cosine schedule.
        batch_size: Images per step.
        prediction: Weight of the cross-entropy.
        reconstruction: Weight of the mean squared error between decoded and normalised images.
        kl: Weight of `kl_to_prototypes`, in the measure of [K] Table 10.
        orthogonal: Weight of `orthogonality`.
        explained: How relevance is shared among the class's prototypes: ``"score"`` by their part of the class score,
            ``"nearest"`` all to the most similar one, ``"mean"`` evenly.
        bias: Whether biases take a share of the relevance, see `sembench.relevance.propagation.propagate`.

    Note:
        The decoder ends linearly and is compared with normalised images [ours]; the authors' ends in a tanh.

        The preset ``scratch`` trains longer than those of the other methods: prototypes start as draws from N(0, 1) in
        512 dimensions, at a distance of about 22 from all embeddings, where similarities hardly differ. Classes are
        learned only once prototypes have come closer, after thousands of steps. It weighs the divergence five times as
        much as the table [ours].
    """

    presets: ClassVar[Presets] = {
        "quick": {"*": {}},
        "scratch": {
            name: {
                "epochs": epochs, "kl": kl, "latent": 512, "channels": channels, "learning_rate": rate,
                "batch_size": 128,
            }
            for name, (epochs, rate, kl, channels) in {
                "*": (10, 1e-3, 500.0, (32, 64)),
                "mnist": (10, 1e-3, 5.0, (32, 64)),
                "quickdraw": (20, 3e-3, 500.0, (32, 64, 128)),
                "cifar10": (10, 1e-3, 500.0, (32, 64, 128, 256)),
            }.items()
        },
        "paper": {
            name: {
                "epochs": epochs, "kl": kl, "latent": 512, "channels": channels, "encoder": encoder,
                "halving": halving, "learning_rate": 1e-3, "batch_size": 128,
                **PAPER.get(name, PAPER["*"]),
            }
            for name, (epochs, kl, channels, encoder, halving) in {
                "mnist": (20, 1.0, (32, 64), "conv", "pool"),
                "fashion-mnist": (20, 100.0, (32, 64), "conv", "pool"),
                "svhn": (20, 100.0, (32, 64, 128, 256), "conv", "stride"),
                "cifar10": (60, 100.0, (32, 64, 128, 256), "conv", "pool"),
                "stl10": (60, 100.0, (32, 64, 128, 256, 512), "backbone", "pool"),
                "quickdraw": (60, 100.0, (32, 64, 128), "backbone", "pool"),
                "celeba": (20, 100.0, (32, 64, 128, 256, 512), "backbone", "pool"),
            }.items()
        },
    }  # fmt: skip

    prototypes_per_class: PerClass = 5
    encoder: Encoder = "conv"
    channels: Sequence[int] = (16, 32, 64)
    halving: Halving = "pool"
    latent: int = 32
    epsilon: Weight = 1e-4
    epochs: int = 8
    learning_rate: Weight = 3e-3
    final_learning_rate: Weight = 1e-4
    batch_size: int = 32
    prediction: Weight = 1.0
    reconstruction: Weight = 0.1
    kl: Weight = 5.0
    orthogonal: Weight = 0.1
    explained: Explained = "score"
    bias: Bias = "share"

    def __post_init__(self) -> None:
        self.require_choices(
            encoder=("conv", "backbone"), halving=("pool", "stride"), explained=("score", "nearest", "mean"),
            bias=("share", "zero"),
        )  # fmt: skip
        if not self.channels or min(*self.channels, self.latent) < 1 or self.epsilon <= 0:
            raise FitImpossible(
                f"channels is {self.channels}, latent {self.latent}, epsilon {self.epsilon}; all must be positive."
            )
        require_at_least(self, epochs=0, batch_size=2)

    @property
    def attribution_needs(self) -> frozenset[Trait]:  # type: ignore[override]
        """None of the black box, where the encoder is its own."""
        return frozenset() if self.encoder == "conv" else frozenset({Trait.RELEVANCE})

    def train(self, backbone: Backbone, train: Split, session: Session) -> ProtoVAEModel:
        classes = class_of_each(prototypes_of_class(self.prototypes_per_class, train.n_classes))
        if train.image_size < 2 ** len(self.channels):
            raise FitImpossible(
                f"{len(self.channels)} levels of channels halve an image of {train.image_size} pixels to nothing; "
                "name fewer channels."
            )
        network = backbone.renewed() if self.encoder == "backbone" else backbone
        model = self._built(network, classes, train.image_size, train.n_classes).to(backbone.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate, fused=True)
        schedule = cosine(optimizer, self.epochs, len(train), self.batch_size, self.final_learning_rate)

        def loss(step: Step) -> dict[str, Tensor]:
            noise = torch.randn(len(step.indices), self.latent, generator=step.generator).to(step.device)
            return self.losses(model, step.batch.images, step.batch.labels, noise)

        stage = Stage("ProtoVAE", self.epochs, optimizer, loss, self.batch_size, [model], schedule)
        train_in_stages(model, train, [stage], session)
        return model

    def losses(self, model: ProtoVAEModel, images: Tensor, labels: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """The four weighted terms, for latent vectors sampled with standard normal noise ``(B, D)``."""
        mean, log_variance = model.gaussian(images)
        latents = mean + (log_variance / 2).exp() * noise
        similarities = model.similarity(latents, model.vectors)
        own = labels[:, None] == model.classes
        divergence = kl_to_prototypes(mean, log_variance, model.vectors, similarities, own)
        return {
            "cross-entropy": self.prediction * F.cross_entropy(model.last(similarities).float(), labels),
            "reconstruction": self.reconstruction * F.mse_loss(model.decode(latents).float(), images),
            "KL": self.kl * divergence,
            "orthogonality": self.orthogonal * orthogonality(model.vectors, model.classes),
        }

    def _built(self, network: Backbone, classes: Tensor, image_size: int, n_classes: int) -> ProtoVAEModel:
        encoder = (
            conv_encoder(tuple(self.channels), image_size, self.latent, self.halving)
            if self.encoder == "conv"
            else backbone_encoder(network, self.latent)
        )
        model = ProtoVAEModel(encoder, classes, image_size, n_classes, self)
        if self.encoder == "backbone":
            model.attribution = network.attribution
        return channels_last(model)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> ProtoVAEModel:
        network = copy.deepcopy(backbone) if self.encoder == "backbone" else backbone
        model = self._built(network, state["classes"].cpu(), int(state["image_size"]), backbone.n_classes)
        model.load_state_dict(state)
        return model.to(backbone.device).eval().requires_grad_(False)
