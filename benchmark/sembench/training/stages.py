"""Training in stages, with a checkpoint after every epoch, so that it can be killed at any moment.

A stage says which parameters are trained, with which optimizer and loss. This module does the rest: the order of
images, checkpoints, progress, and the account of the cost. A training that was killed and is started again continues
after the last complete epoch and ends with the same weights, on the CPU to the last bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sembench.backbones.backbone import Backbone
from sembench.cost import PassCounter
from sembench.data.dataset import Split
from sembench.errors import BackboneUnfit, FitImpossible
from sembench.seeding import generator
from sembench.types import Batch


class Checkpoint(Protocol):
    """Keeps the state of a training, so that a killed one continues from the last epoch."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last state saved, or ``None``."""

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Replaces the state."""


class NoCheckpoint:
    """A checkpoint that keeps nothing: for a training that need not survive."""

    def load(self) -> None:
        """Nothing was saved."""

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Saves nothing."""


Precision = Literal["float32", "bfloat16"]


def _silent(line: str) -> None:
    """Reports nothing."""


@dataclass
class Session:
    """One training, over all its interruptions.

    Attributes:
        seed: Decides the order of images and every other draw.
        checkpoint: Keeps the state after every epoch.
        report: Takes one line of progress per epoch.
        precision: ``"float32"``, or ``"bfloat16"`` for matrix products and convolutions (automatic mixed precision;
            weights stay in float32).
        passes: Forward passes so far.
        images: Images through the network so far.
        seconds: Time so far, s.
    """

    seed: int
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    report: Callable[[str], None] = _silent
    precision: Precision = "float32"
    passes: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Step:
    """One step of training, as a loss sees it.

    Attributes:
        split: The training split.
        indices: Which images, ``(B,)``.
        epoch: Epoch within the stage, from 0.
        generator: The only source of randomness of this epoch, on the CPU.
        device: Where the model is.
    """

    split: Split
    indices: Tensor
    epoch: int
    generator: torch.Generator
    device: torch.device

    @cached_property
    def batch(self) -> Batch:
        """The images, augmented if the data set asks for that, loaded at first access."""
        return self.split.training_batch(self.indices, self.generator).to(self.device)


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    Attributes:
        name: For progress and messages.
        epochs: Passes over the training split.
        optimizer: Holds the parameters that are trained in this stage; all others are fixed. Stages may share one,
            with its momenta.
        loss: The weighted terms of a step's loss, by name; their sum is minimised.
        schedule: Learning rates over time, if they change.
        schedule_per: Whether the schedule advances after each step or each epoch.
        batch_size: Images per step; a last batch of one image is left out, batch norm cannot use it.
        in_training_mode: The modules in training mode (batch norm, dropout); all others are in evaluation mode.
        begin: Called before the first epoch, and again when a killed training continues within the stage.
        finish: Called after the last epoch, before it counts as done; also if the stage has no epochs.
    """

    name: str
    epochs: int
    optimizer: Optimizer
    loss: Callable[[Step], Mapping[str, Tensor]]
    batch_size: int
    in_training_mode: Sequence[nn.Module]
    schedule: LRScheduler | None = None
    schedule_per: str = "step"
    begin: Callable[[], None] | None = None
    finish: Callable[[], None] | None = None


def train_in_stages(model: nn.Module, train: Split, stages: Sequence[Stage], session: Session) -> None:
    """Trains a model in place, stage after stage, from the session's checkpoint if there is one.

    The order of images depends on the seed and the epoch alone. Afterwards the model is in evaluation mode and none of
    its parameters requires gradients.

    Args:
        model: A fresh model, on its device; the same initial weights on every start.
        train: The training split.
        stages: The stages, in order.
        session: Seed, checkpoint, progress; the training's cost is added to it.

    Raises:
        BackboneUnfit: If a backbone is to be trained that can be used frozen only.
        FitImpossible: If the loss stops being finite. The loss is that before each step: if the very last step
            diverges, the evaluation finds class scores that are not finite.
    """
    state = _State(model, stages, session)
    done_stages, done_epochs = state.resume()
    total = sum(stage.epochs for stage in stages[:done_stages])
    for number, stage in enumerate(stages[done_stages:], done_stages):
        first = done_epochs if number == done_stages else 0
        if first and first == stage.epochs:
            total += first
            continue
        _enter(model, stage)
        for epoch in range(first, stage.epochs):
            with PassCounter(model) as counter:
                started = time.perf_counter()
                if epoch == first and stage.begin is not None:
                    stage.begin()
                losses = _epoch(model, train, stage, epoch, total + epoch, session)
                if epoch == stage.epochs - 1 and stage.finish is not None:
                    stage.finish()
            session.passes, session.images = session.passes + counter.passes, session.images + counter.images
            session.seconds += time.perf_counter() - started
            state.save(number, epoch + 1)
            session.report(f"{stage.name} {epoch + 1}/{stage.epochs}, loss {losses}")
        if stage.epochs == 0 and stage.finish is not None:
            stage.finish()
        total += stage.epochs
    model.eval().requires_grad_(False)


def batches(count: int, size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """The images of an epoch in random order, ``size`` at a time; a last batch of one image is left out."""
    order = torch.randperm(count, generator=generator(seed, "order of images", epoch))
    return (part for part in order.split(size) if len(part) > 1)


def _enter(model: nn.Module, stage: Stage) -> None:
    """Sets modes and gradients for a stage."""
    model.eval().requires_grad_(False)
    for module in stage.in_training_mode:
        _require_trainable(module)
        module.train()
    for parameter in _parameters(stage.optimizer):
        parameter.requires_grad_(True)


def _require_trainable(module: nn.Module) -> None:
    reasons = [part.untrainable for part in module.modules() if isinstance(part, Backbone) and part.untrainable]
    if reasons:
        raise BackboneUnfit(
            f"the network cannot be trained here: {reasons[0].rstrip('.')}. Train it by your own script and use it "
            "with frozen = true, or move what depends on self.training into a submodule."
        )


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _epoch(model: nn.Module, train: Split, stage: Stage, epoch: int, overall: int, session: Session) -> str:
    """One pass over the training split; returns its mean loss in words."""
    sums: dict[str, Tensor] = {}
    device = next(model.parameters()).device
    source, count = generator(session.seed, "draws of training", overall), 0
    for indices in batches(len(train), stage.batch_size, session.seed, overall):
        with torch.autocast(device.type, torch.bfloat16, enabled=session.precision == "bfloat16"):
            terms = stage.loss(Step(train, indices, epoch, source, device))
        stage.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        stage.optimizer.step()
        if stage.schedule is not None and stage.schedule_per == "step":
            stage.schedule.step()
        count += 1
        for name, value in terms.items():
            sums[name] = sums[name] + value.detach() if name in sums else value.detach()
    if stage.schedule is not None and stage.schedule_per == "epoch":
        stage.schedule.step()
    stage.optimizer.zero_grad()
    means = {name: (value / count).item() for name, value in sums.items()}
    mean = sum(means.values()) if means else float("nan")
    if not math.isfinite(mean):
        rates = ", ".join(f"{group.get('initial_lr', group['lr']):.3g}" for group in stage.optimizer.param_groups)
        raise FitImpossible(
            f"the training loss is {mean} in {stage.name} {epoch + 1}; lower the learning rate (now {rates}) or use a "
            f"larger batch (now {stage.batch_size} of {len(train)}). Its terms: {means}."
        )
    parts = ", ".join(f"{name} {value:.4f}" for name, value in means.items()) if len(means) > 1 else ""
    return f"{mean:.4f}" + (f" ({parts})" if parts else "")


class _State:
    """The content of a checkpoint: weights, optimizers, schedules, position, cost."""

    def __init__(self, model: nn.Module, stages: Sequence[Stage], session: Session) -> None:
        self.model = model
        self.session = session
        self.optimizers = list(dict.fromkeys(stage.optimizer for stage in stages))
        self.schedules = list(dict.fromkeys(stage.schedule for stage in stages if stage.schedule is not None))

    def save(self, stage: int, epochs: int) -> None:
        """Saves the state after a number of epochs of a stage."""
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{number}/{index}/{slot}": v for slot, v in slots.items() if v is not None}
        facts = {
            "stage": stage,
            "epochs_done": epochs,
            "rates": [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers],
            "schedules": [_plain(schedule.state_dict()) for schedule in self.schedules],
            "cost": [self.session.passes, self.session.images, self.session.seconds],
        }
        self.session.checkpoint.save(tensors, facts)

    def resume(self) -> tuple[int, int]:
        """Restores the last checkpoint; returns its stage and the epochs done there."""
        stored = self.session.checkpoint.load()
        if stored is None:
            return 0, 0
        tensors, facts = stored
        self.model.load_state_dict({k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")})
        for number, (optimizer, rates) in enumerate(zip(self.optimizers, facts["rates"], strict=True)):
            self._restore(optimizer, rates, tensors, f"optimizer/{number}/")
        for schedule, values in zip(self.schedules, facts["schedules"], strict=True):
            schedule.load_state_dict(values)
        passes, images, seconds = facts["cost"]
        self.session.passes, self.session.images, self.session.seconds = passes, images, seconds
        return int(facts["stage"]), int(facts["epochs_done"])

    @staticmethod
    def _restore(optimizer: Optimizer, rates: Sequence[float], tensors: Mapping[str, Tensor], prefix: str) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        parameters = _parameters(optimizer)
        for name, value in tensors.items():
            if name.startswith(prefix):
                index, slot = name.removeprefix(prefix).split("/")
                like = parameters[int(index)]
                # A fused step goes through memory in order: moments must lie there as their parameter does.
                laid = torch.empty_like(like, dtype=value.dtype).copy_(value) if value.shape == like.shape else value
                slots.setdefault(int(index), {})[slot] = laid
        state = optimizer.state_dict()
        for group, rate in zip(state["param_groups"], rates, strict=True):
            group["lr"] = rate
        optimizer.load_state_dict({**state, "state": slots})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a schedule's state that changes: numbers and lists of numbers."""
    return {key: value for key, value in values.items() if isinstance(value, (int, float, bool, list))}
