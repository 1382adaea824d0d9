"""ProtoPNet: prototypes are learned with the network and projected onto training data.

C. Chen, O. Li, D. Tao, A. Barnett, C. Rudin, J. Su: *This Looks Like That: Deep Learning for Interpretable Image
Recognition*, NeurIPS 2019. At the level of images as in [K] (average pool first), or of parts as in [C].
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.explainers.explainer import SelfExplainableModel, TrainedExplainer
from sembench.relevance.propagation import Bias, propagate
from sembench.relevance.prototypes import Explained, onto_cells, prp
from sembench.similarity import distances, log_similarity
from sembench.training.stages import Session, Stage, Step, train_in_stages
from sembench.types import Explanation, Prototypes, as_points
from sembench_baselines.linear_head import linear_head, prototype_relevance
from sembench_baselines.settings import (
    PAPER,
    PerClass,
    Presets,
    Weight,
    class_of_each,
    prototypes_within,
    require_at_least,
)

_PASS = 256


def cluster_cost(squared_distances: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    """Mean over images of the least squared distance to a prototype of their class: ``(B, P)`` to a scalar."""
    return squared_distances.masked_fill(labels[:, None] != classes, torch.inf).amin(1).mean()


def separation_cost(squared_distances: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    """Mean over images of the least squared distance to a prototype of another class: ``(B, P)`` to a scalar.

    It enters the loss with a negative weight: other classes' prototypes are pushed away.
    """
    return squared_distances.masked_fill(labels[:, None] == classes, torch.inf).amin(1).mean()


def sparsity_cost(weight: Tensor, classes: Tensor) -> Tensor:
    """The l1 norm of the last layer's weights ``(C, P)`` between prototypes and other classes."""
    own = torch.arange(len(weight), device=weight.device)[:, None] == classes
    return weight.masked_fill(own, 0).abs().sum()


class ProtoPNetModel(SelfExplainableModel):
    """A network whose last layer weighs similarities to prototypes.

    Args:
        network: A backbone of the right architecture, whose blocks become the model's.
        classes: Class of each prototype ``(P,)``.
        recipe: The hyper-parameters.

    Attributes:
        vectors: Prototypes ``(P, D)``.
        origins: Where the projection found each prototype: training image, row and column of the cell, ``(P, 3)``;
            -1 before the first projection.
    """

    def __init__(self, network: Backbone, classes: Tensor, recipe: ProtoPNet) -> None:
        super().__init__()
        self.recipe = recipe
        self.bias = recipe.bias
        self.blocks, self.attribution = network.blocks, network.attribution
        self.view = network.views[-1]
        self.pool = nn.Identity() if recipe.parts else nn.AdaptiveAvgPool2d(1)
        channels = recipe.dimension
        self.add_on = nn.Sequential(
            nn.Conv2d(network.channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.Sigmoid()
        )
        self.vectors = nn.Parameter(torch.rand(len(classes), channels))
        self.register_buffer("classes", classes)
        self.register_buffer("origins", torch.full((len(classes), 3), -1))
        self.classes: Tensor
        self.origins: Tensor
        self.last = linear_head(classes, network.n_classes)

    @property
    def prototypes(self) -> Prototypes:
        return Prototypes(self.vectors.detach(), self.classes)

    def feature_map(self, images: Tensor) -> Tensor:
        """The map that prototypes are compared with, ``(B, D, h, w)`` in (0, 1); a single cell at image level."""
        for block in self.blocks:
            images = block(images)
        return self.add_on(self.pool(self.view.map(images)))  # type: ignore[no-any-return]

    def squared_distances(self, features: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, P, h, w)``, exact."""
        size, _, height, width = features.shape
        squared = distances(as_points(features), self.vectors).square()
        return squared.view(size, height, width, -1).permute(0, 3, 1, 2)

    def embed(self, images: Tensor) -> Tensor:
        features = self.feature_map(images)
        return features if self.recipe.parts else features.flatten(1)

    def forward(self, images: Tensor) -> Explanation:
        features = self.feature_map(images)
        maps = log_similarity(self.squared_distances(features))
        similarities = maps.amax((2, 3))
        scores = self.last(similarities)
        if self.recipe.parts:
            return Explanation(scores, similarities, maps, features)
        return Explanation(scores, similarities, embeddings=features.flatten(1))

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self) -> Tensor:
        vectors = self.vectors.detach().double()
        return log_similarity(distances(vectors, vectors).square())

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        return propagate(
            self, ProtoPNetModel.feature_map, images, lambda f: self.head_relevance(f, targets), bias=self.bias
        )

    def head_relevance(self, features: Tensor, targets: Tensor | None = None) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``: the target's probability, shared out by the head.

        Last layer: to the class's own prototypes by their share of the class score. Maximum: to the most similar cell.
        Similarity: to the cell's channels by the prototype rule ``prp`` [ours: [K] section 4.3.2 names no rule].
        """
        maps = log_similarity(self.squared_distances(features))
        weights = prototype_relevance(self.last, maps.amax((2, 3)), self.classes, targets, self.recipe.explained)
        return self._onto_cells(features, maps, weights)

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """One prototype's relevance, 1, put on its most similar cell by the prototype rule and carried down."""

        def relevance(features: Tensor) -> Tensor:
            maps = log_similarity(self.squared_distances(features))
            return self._onto_cells(features, maps, F.one_hot(prototypes, len(self.classes)).to(features.dtype))

        return propagate(self, ProtoPNetModel.feature_map, images, relevance, bias=self.bias)

    def prototype_origins(self) -> Tensor:
        return self.origins

    def _onto_cells(self, features: Tensor, maps: Tensor, weights: Tensor) -> Tensor:
        """Carries the relevance of prototypes ``(B, P)`` to the channels of their most similar cells."""
        return onto_cells(features, maps, weights, lambda z, j: prp(z, self.vectors[j]))

    @torch.no_grad()
    def project(self, train: Split) -> None:
        """Makes each prototype the nearest embedding (or patch) of a training image of its class, and notes which."""
        device = self.vectors.device
        least = torch.full((len(self.classes),), torch.inf, device=device)
        found = self.vectors.detach().clone()
        for batch in train.batches(_PASS):
            features = self.feature_map(batch.images.to(device))
            points, width = as_points(features), features.shape[3]
            cells = features[0, 0].numel()
            labels = batch.labels.to(device).repeat_interleave(cells)
            squared = distances(points, self.vectors).square().masked_fill(labels[:, None] != self.classes, torch.inf)
            smallest, at = squared.min(0)
            nearer = smallest < least
            least = torch.where(nearer, smallest, least)
            found[nearer] = points[at[nearer]]
            cell = at % cells
            origins = torch.stack([batch.indices.to(device)[at // cells], cell // width, cell % width], 1)
            self.origins[nearer] = origins[nearer]
        self.vectors.copy_(found)


@dataclass(frozen=True)
class ProtoPNet(TrainedExplainer):
    """ProtoPNet, at the level of images ([K]) or parts ([C]).

    Stages: warm-up (add-on layers and prototypes), then joint training, interrupted every ``project_every`` epochs and
    ended by a projection and the training of the last layer alone.

    Attributes:
        prototypes_per_class: One number, or one per class.
        parts: Compare cells of the feature map and take the most similar one; else average-pool first.
        dimension: Channels of the prototypes.
        warm_epochs: Epochs of warm-up.
        joint_epochs: Epochs of joint training.
        project_every: Joint epochs between two projections.
        last_epochs: Epochs of the last layer after each projection.
        feature_rate: Adam's learning rate of the network in joint training.
        prototype_rate: Learning rate of add-on layers and prototypes.
        last_rate: Learning rate of the last layer.
        weight_decay: L2 penalty of network and add-on layers.
        decay_every: Joint epochs after which the learning rates fall to a tenth.
        batch_size: Images per step.
        cluster: Weight of `cluster_cost`.
        separation: Weight of `separation_cost`, negative.
        sparsity: Weight of `sparsity_cost`, in the last layer's stage.
        explained: How relevance is shared among the class's prototypes: ``"score"`` by their part of the class score,
            ``"nearest"`` all to the most similar one, ``"mean"`` evenly.
        bias: Whether biases take a share of the relevance, see `sembench.relevance.propagation.propagate`.

    Note:
        The preset ``paper`` is [K] Table 10: its 15 or 35 epochs of training include the 5 of warm-up, as they do in
        ProtoPNet's own code, so 10 or 30 are joint. That code projects after every tenth epoch of training, and ends
        with epochs that move prototypes away from the data; here every tenth joint epoch is followed by a projection,
        the last one included [ours]. There are as many. Weight decay and the fall of the rates, which the table does
        not name, are as in ProtoPNet's code. Latent vectors have 512 dimensions ([K] A.2). CUB-200 is not in the table
        and has STL-10's epochs [ours].

        The preset ``scratch`` has no warm-up: without pretrained weights there is nothing to protect from it [ours].

        In the last layer's stage batch norm is in evaluation mode [ours]: otherwise its statistics would change, and
        prototypes would no longer be embeddings of training images.
    """

    presets: ClassVar[Presets] = {
        "quick": {"*": {}},
        "scratch": {
            name: {
                "warm_epochs": 0, "joint_epochs": epochs, "project_every": epochs, "last_epochs": 1,
                "decay_every": decay, "feature_rate": 1e-3, "last_rate": 1e-3, "batch_size": 128,
            }
            for name, (epochs, decay) in {"*": (2, 1), "quickdraw": (8, 6), "cifar10": (4, 3)}.items()
        },
        "paper": {
            name: {
                "warm_epochs": 5, "joint_epochs": epochs, "project_every": 10, "last_epochs": 5, "batch_size": 128,
                "feature_rate": 1e-3, "prototype_rate": 1e-3, "last_rate": 1e-3, "decay_every": 5, "dimension": 512,
                **PAPER.get(name, PAPER["*"]),
            }
            for name, epochs in {
                "mnist": 10, "fashion-mnist": 10, "svhn": 10, "cifar10": 30, "stl10": 30, "quickdraw": 30, "celeba": 10,
                "cub": 30,
            }.items()
        },
    }  # fmt: skip

    prototypes_per_class: PerClass = 5
    parts: bool = False
    dimension: int = 128
    warm_epochs: int = 1
    joint_epochs: int = 6
    project_every: int = 6
    last_epochs: int = 2
    feature_rate: Weight = 3e-3
    prototype_rate: Weight = 3e-3
    last_rate: Weight = 3e-3
    weight_decay: Weight = 1e-3
    decay_every: int = 4
    batch_size: int = 32
    cluster: Weight = 0.8
    separation: float = -0.08
    sparsity: Weight = 0.004
    explained: Explained = "score"
    bias: Bias = "share"

    def __post_init__(self) -> None:
        self.require_choices(explained=("score", "nearest", "mean"), bias=("share", "zero"))
        require_at_least(self, dimension=1, project_every=1, decay_every=1, batch_size=2)
        require_at_least(self, warm_epochs=0, joint_epochs=0, last_epochs=0)

    def train(self, backbone: Backbone, train: Split, session: Session) -> ProtoPNetModel:
        classes = class_of_each(prototypes_within(self.prototypes_per_class, train))
        model = ProtoPNetModel(backbone.renewed(), classes, self).to(backbone.device)
        train_in_stages(model, train, self.stages(model, train), session)
        return model

    def stages(self, model: ProtoPNetModel, train: Split) -> list[Stage]:
        """Warm-up, then rounds of joint training, projection and last layer."""
        add_on = [
            {"params": list(model.add_on.parameters()), "lr": self.prototype_rate, "weight_decay": self.weight_decay},
            {"params": [model.vectors], "lr": self.prototype_rate},
        ]
        features = {"params": list(model.blocks.parameters()), "lr": self.feature_rate}
        warm = torch.optim.Adam([dict(group) for group in add_on], fused=True)
        joint = torch.optim.Adam([*add_on, {**features, "weight_decay": self.weight_decay}], fused=True)
        last = torch.optim.Adam(model.last.parameters(), lr=self.last_rate)
        decay = StepLR(joint, self.decay_every, 0.1)
        similarities = torch.empty(0)

        def loss(step: Step) -> dict[str, Tensor]:
            return self.losses(model, step.batch.images, step.batch.labels)

        def project() -> None:
            model.eval()
            model.project(train)

        @torch.no_grad()
        def look() -> None:
            nonlocal similarities  # the last layer's problem is convex: one pass, not one in every epoch
            device = model.vectors.device
            similarities = torch.cat([model(b.images.to(device)).similarities for b in train.batches(_PASS)])

        def last_loss(step: Step) -> dict[str, Tensor]:
            labels = step.split.labels[step.indices].to(step.device)
            return self.last_losses(model, similarities[step.indices.to(step.device)], labels)

        stages = [Stage("warm-up", self.warm_epochs, warm, loss, self.batch_size, [model])]
        for start in range(0, max(1, self.joint_epochs), self.project_every):
            epochs = min(self.project_every, self.joint_epochs - start)
            stages += [
                Stage("joint", epochs, joint, loss, self.batch_size, [model], decay, "epoch", finish=project),
                Stage("last layer", self.last_epochs, last, last_loss, self.batch_size, [], begin=look),
            ]
        return stages

    def losses(self, model: ProtoPNetModel, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted terms of warm-up and joint training."""
        squared = model.squared_distances(model.feature_map(images).float()).amin((2, 3))
        return {
            "cross-entropy": F.cross_entropy(model.last(log_similarity(squared)).float(), labels),
            "cluster": self.cluster * cluster_cost(squared, labels, model.classes),
            "separation": self.separation * separation_cost(squared, labels, model.classes),
        }

    def last_losses(self, model: ProtoPNetModel, similarities: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted terms of the last layer's stage."""
        return {
            "cross-entropy": F.cross_entropy(model.last(similarities).float(), labels),
            "sparsity": self.sparsity * sparsity_cost(model.last.weight, model.classes),
        }

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> ProtoPNetModel:
        model = ProtoPNetModel(copy.deepcopy(backbone), state["classes"].cpu(), self)
        model.load_state_dict(state)
        return model.to(backbone.device).eval().requires_grad_(False)


@dataclass(frozen=True)
class ProtoPNetParts(ProtoPNet):
    """ProtoPNet at the level of parts: the most similar cell decides, as in [C]."""

    parts: bool = True
