"""Random streams that depend on (seed, names), never on a global stream."""

from __future__ import annotations

import hashlib
import pickle
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit integer that depends on the seed and on every name, and on nothing else (SHA-256)."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A torch generator on the CPU, seeded from ``derive(seed, *names)``."""
    return torch.Generator().manual_seed(derive(seed, *names))


def uniform_per_image(seed: int, *names: str | int, indices: Tensor, shape: Sequence[int]) -> Tensor:
    """Uniform noise on [0, 1) that depends on the image, not on its batch.

    Each image has its own stretch of one counter-based stream (Philox, the data set index in the counter), so every
    explainer, order and batch size sees the same noise.

    Args:
        seed: Seed of the run.
        *names: What the noise is for, e.g. the data set's name.
        indices: Data set indices ``(B,)``.
        shape: Shape of one image's noise.

    Returns:
        ``(B, *shape)``, float32, on the CPU.
    """
    key = derive(seed, *names)
    draws = [
        np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, index])).random(tuple(shape), dtype=np.float32)
        for index in indices.tolist()
    ]
    return torch.from_numpy(np.stack(draws)) if draws else torch.empty(0, *shape)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Runs a block on its own global random streams and restores torch's, NumPy's and Python's afterwards.

    Building layers draws from the global stream; inside this block that draw is seeded and leaves no trace.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


def random_states(network: nn.Module) -> dict[str, bytes]:
    """States of the streams that a network can draw from, by name: the global ones, and those that its modules hold.

    Examples:
        >>> before = random_states(nn.Identity())
        >>> with isolated(0):
        ...     _ = random.random()
        >>> random_states(nn.Identity()) == before
        True
    """
    found: dict[str, object] = {
        "Python's random": random.getstate(),
        "NumPy's random": np.random.get_state(),
        "torch's generator": torch.random.get_rng_state().numpy(),
    }
    if torch.cuda.is_initialized():
        found |= {f"torch's generator of cuda:{i}": s.numpy() for i, s in enumerate(torch.cuda.get_rng_state_all())}
    for path, part in network.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, (random.Random, np.random.Generator, np.random.RandomState)):
                found[f"{path}.{name}".lstrip(".")] = value
            elif isinstance(value, torch.Generator):
                found[f"{path}.{name}".lstrip(".")] = value.get_state().numpy()
    return {name: pickle.dumps(state) for name, state in found.items()}
