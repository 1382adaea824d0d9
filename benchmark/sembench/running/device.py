"""Devices: by name, in deterministic mode, and their clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sembench.errors import SuiteInvalid


def clock(device: torch.device) -> float:
    """The time in s, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def device_of(name: str) -> torch.device:
    """A device by name. Raises `SuiteInvalid` if it cannot be used."""
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("it computes nothing")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SuiteInvalid(f"device {name!r} cannot be used: {error}. 'cpu' always can.") from error
    return device


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms inside this block: enforced on the CPU, preferred elsewhere."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
