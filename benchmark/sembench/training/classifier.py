"""Training of a black box: cross-entropy, SGD, cosine schedule per step, a checkpoint after every epoch.

[K] A.2 names no schedule; the cosine, and its end at 1e-4, are those of the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.training.stages import Precision, Session, Stage, Step, batches, train_in_stages


@dataclass(frozen=True)
class Training:
    """A training recipe.

    Attributes:
        epochs: Passes over the training split.
        learning_rate: Initial learning rate.
        momentum: Momentum, 0 for none.
        weight_decay: L2 penalty.
        batch_size: Images per step; a last batch of one image is left out, batch norm cannot use it.
        final_learning_rate: Learning rate at the last step of the cosine schedule.
        precision: Of the arithmetic, see `sembench.training.stages.Session`.
        nesterov: Whether the momentum is Nesterov's, which looks one step ahead. [K] A.2 has plain momentum.
    """

    epochs: int
    learning_rate: float
    momentum: float
    weight_decay: float
    batch_size: int
    final_learning_rate: float = 1e-4
    precision: Precision = "float32"
    nesterov: bool = True


def train_backbone(backbone: Backbone, train: Split, training: Training, session: Session) -> None:
    """Trains a backbone in place, see `sembench.training.stages.train_in_stages`.

    Args:
        backbone: A fresh backbone, on its device; the same initial weights on every start.
        train: The training split.
        training: The recipe.
        session: Seed, checkpoint, progress; the training's cost is added to it.

    Raises:
        FitImpossible: If the loss stops being finite.
    """
    backbone.to(memory_format=torch.channels_last)
    session.precision = training.precision
    optimizer = torch.optim.SGD(
        backbone.parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=training.nesterov and training.momentum > 0,
    )

    def loss(step: Step) -> Mapping[str, Tensor]:
        return {"cross-entropy": F.cross_entropy(backbone(step.batch.images).float(), step.batch.labels)}

    schedule = cosine(optimizer, training.epochs, len(train), training.batch_size, training.final_learning_rate)
    stage = Stage("epoch", training.epochs, optimizer, loss, training.batch_size, [backbone], schedule)
    train_in_stages(backbone, train, [stage], session)


def cosine(
    optimizer: torch.optim.Optimizer, epochs: int, images: int, batch_size: int, final: float
) -> CosineAnnealingLR:
    """Cosine schedule per step, from the optimizer's learning rate down to ``final``; constant if that is higher."""
    steps = epochs * len(list(batches(images, batch_size, 0, 0)))
    return CosineAnnealingLR(optimizer, max(1, steps), min(final, *(g["lr"] for g in optimizer.param_groups)))
