"""Store of trained and fitted models: safetensors files addressed by content, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sembench.errors import CacheDamaged
from sembench.files import write_atomically
from sembench.results.result import digest


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, shapes, types and values, in hexadecimal; independent of device and memory layout."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


@dataclass(frozen=True)
class Cache:
    """A folder of models, made when first written to; a model's key is the hash of everything that it depends on."""

    root: Path

    def path(self, kind: str, key: Mapping[str, Any]) -> Path:
        """Where the model of this kind with this key lies."""
        return self.root / kind / f"{digest(key)}.safetensors"

    def save(self, kind: str, key: Mapping[str, Any], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Stores tensors and JSON facts, whole or not at all. Raises `DiskFull`."""
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        metadata = {"facts": json.dumps(facts), "sha256": tensors_sha256(plain)}
        write_atomically(self.path(kind, key), safetensors.torch.save(plain, metadata))

    def load(self, kind: str, key: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors (on the CPU) and facts; ``None`` where nothing is stored.

        Raises:
            CacheDamaged: If the file is not what was written.
        """
        path = self.path(kind, key)
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if tensors_sha256(tensors) != metadata["sha256"]:
                raise CacheDamaged(f"{path}: the stored tensors do not match their checksum.")
            return tensors, json.loads(metadata["facts"])
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise CacheDamaged(f"{path} cannot be read: {error}.") from error

    def discard(self, kind: str, key: Mapping[str, Any]) -> None:
        """Removes a model; it may be absent."""
        self.path(kind, key).unlink(missing_ok=True)


@dataclass(frozen=True)
class Slot:
    """One place in the cache; ``note`` takes what the user should know."""

    cache: Cache
    kind: str
    key: Mapping[str, Any]
    note: Callable[[str], None]

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What is stored; ``None``, with a note, where it is damaged: it is to be computed again."""
        try:
            return self.cache.load(self.kind, self.key)
        except CacheDamaged as error:
            self.note(f"{error} It is computed again.")
            self.discard()
            return None

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Replaces what is stored."""
        self.cache.save(self.kind, self.key, tensors, facts)

    def discard(self) -> None:
        """Removes what is stored, if anything."""
        self.cache.discard(self.kind, self.key)
