"""Training of a black box: cross-entropy, SGD, cosine schedule per step, a checkpoint after every epoch.

[K] A.2 names no schedule; the cosine, and its end at 1e-4, are those of the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from sembench.backbones.backbone import Backbone, channels_last
from sembench.data.dataset import Split
from sembench.training.stages import Precision, Session, Stage, Step, batches, train_in_stages

_EMBEDDED = 256
"""Images per pass where only the head is trained: as explainers fit, so that they find the feature maps."""


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


def train_backbone(
    backbone: Backbone, train: Split, training: Training, session: Session, *, head_only: bool = False
) -> None:
    """Trains a backbone in place, see `sembench.training.stages.train_in_stages`.

    Args:
        backbone: A fresh backbone, on its device; the same initial weights on every start.
        train: The training split.
        training: The recipe.
        session: Seed, checkpoint, progress; the training's cost is added to it.
        head_only: Whether only the linear layer is trained, on the embeddings of the others in evaluation mode.

    Raises:
        FitImpossible: If the loss stops being finite.
    """
    channels_last(backbone)
    session.precision = training.precision
    optimizer = torch.optim.SGD(
        (backbone.classifier if head_only else backbone).parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=training.nesterov and training.momentum > 0,
    )
    answer = _head(backbone) if head_only else _whole(backbone)

    def loss(step: Step) -> Mapping[str, Tensor]:
        logits, labels = answer(step)
        return {"cross-entropy": F.cross_entropy(logits.float(), labels)}

    schedule = cosine(optimizer, training.epochs, len(train), training.batch_size, training.final_learning_rate)
    moving = [] if head_only else [backbone]
    stage = Stage("epoch", training.epochs, optimizer, loss, training.batch_size, moving, schedule)
    train_in_stages(backbone, train, [stage], session)


Answer = Callable[[Step], tuple[Tensor, Tensor]]
"""Logits ``(B, C)`` and labels ``(B,)`` of a step of training."""


def _whole(backbone: Backbone) -> Answer:
    return lambda step: (backbone(step.batch.images), step.batch.labels)


def _head(backbone: Backbone) -> Answer:
    """Logits of fixed embeddings: computed once in the order of the split, or per step where images are augmented."""
    table: list[Tensor] = []

    def answer(step: Step) -> tuple[Tensor, Tensor]:
        split = step.split
        with torch.no_grad():
            if split.augmentation is not None:
                embedded = backbone.embed(step.batch.images)
            else:
                if not table:
                    batches = split.batches(_EMBEDDED)
                    table.append(torch.cat([backbone.embed(batch.images.to(step.device)) for batch in batches]))
                embedded = table[0][step.indices]
        return backbone.classifier(embedded), split.labels[step.indices].to(step.device)

    return answer


def cosine(
    optimizer: torch.optim.Optimizer, epochs: int, images: int, batch_size: int, final: float
) -> CosineAnnealingLR:
    """Cosine schedule per step, from the optimizer's learning rate down to ``final``; constant if that is higher."""
    steps = epochs * len(list(batches(images, batch_size, 0, 0)))
    return CosineAnnealingLR(optimizer, max(1, steps), min(final, *(g["lr"] for g in optimizer.param_groups)))
