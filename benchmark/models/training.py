"""How is a black box trained? Cross-entropy, SGD, cosine schedule per step; every epoch leaves a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.data.dataset import Split
from benchmark.errors import FitImpossible
from benchmark.models.backbone import Backbone
from benchmark.seeding import generator


@dataclass(frozen=True)
class Training:
    """A training recipe.

    Attributes:
        epochs: Passes over the training split.
        learning_rate: Initial learning rate.
        momentum: Nesterov momentum, 0 for none.
        weight_decay: L2 penalty.
        batch_size: Images per step; a last batch of one image is left out, batch norm cannot use it.
        final_learning_rate: Learning rate at the last step of the cosine schedule.
    """

    epochs: int
    learning_rate: float
    momentum: float
    weight_decay: float
    batch_size: int
    final_learning_rate: float = 1e-4


class Checkpoint(Protocol):
    """Where a training leaves its state, so that a killed one goes on from the last epoch."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last state saved, or ``None``."""

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Replaces the state."""


def train_backbone(
    backbone: Backbone,
    train: Split,
    training: Training,
    *,
    seed: int,
    checkpoint: Checkpoint,
    report: Callable[[str], None],
) -> None:
    """Trains a backbone in place; killed and started again it goes on after the last complete epoch.

    The order of images depends on the seed and the epoch alone, so an interrupted training ends with the same weights.

    Args:
        backbone: A fresh backbone, on its device; the same initial weights on every start.
        train: The training split.
        training: The recipe.
        seed: Seed of the order of images.
        checkpoint: Where the state goes after every epoch.
        report: Takes one line of progress per epoch.

    Raises:
        FitImpossible: If the loss stops being finite. It is that before each step: a last step that goes astray shows
            in the evaluation, as class scores that are not finite.
    """
    backbone.to(memory_format=torch.channels_last).train().requires_grad_(True)
    optimizer = torch.optim.SGD(
        backbone.parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=training.momentum > 0,
    )
    steps = training.epochs * len(list(_batches(len(train), training.batch_size, seed, 0)))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, max(1, steps), min(training.final_learning_rate, training.learning_rate)
    )
    first = _resume(backbone, optimizer, schedule, checkpoint)
    for epoch in range(first, training.epochs):
        losses = []
        for indices in _batches(len(train), training.batch_size, seed, epoch):
            batch = train.batch(indices).to(backbone.device)
            loss = F.cross_entropy(backbone(batch.images), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        mean = torch.stack(losses).mean().item() if losses else float("nan")
        if not math.isfinite(mean):
            raise FitImpossible(
                f"the training loss is {mean} in epoch {epoch + 1}; lower the learning rate "
                f"(now {training.learning_rate}) or use a larger batch (now {training.batch_size} of {len(train)})."
            )
        checkpoint.save(*_state(backbone, optimizer, schedule, epoch + 1))
        report(f"epoch {epoch + 1}/{training.epochs}, loss {mean:.4f}")


def _batches(count: int, size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    order = torch.randperm(count, generator=generator(seed, "order of images", epoch))
    return (part for part in order.split(size) if len(part) > 1)


def _state(
    backbone: Backbone,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epochs_done: int,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {f"backbone/{name}": value for name, value in backbone.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{slot}": value for slot, value in slots.items() if value is not None}
    return tensors, {"epochs_done": epochs_done, "schedule": schedule.state_dict()}


def _resume(
    backbone: Backbone,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    checkpoint: Checkpoint,
) -> int:
    """Puts the last checkpoint in place; returns the number of epochs done."""
    stored = checkpoint.load()
    if stored is None:
        return 0
    tensors, facts = stored
    weights = {k.removeprefix("backbone/"): v for k, v in tensors.items() if k.startswith("backbone/")}
    backbone.load_state_dict(weights)
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, slot = name.split("/")
            slots.setdefault(int(index), {})[slot] = value
    schedule.load_state_dict(facts["schedule"])
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["lr"] = facts["schedule"]["_last_lr"][0]
    optimizer.load_state_dict({**state, "state": slots})
    return int(facts["epochs_done"])
