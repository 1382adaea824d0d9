"""Reads weights files by content: safetensors, and what ``torch.save`` wrote, without running its code."""

from __future__ import annotations

import pickle
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Never

import torch
from safetensors import safe_open
from torch import Tensor

from sembench.errors import SuiteInvalid, in_one_line

_ADVICE = "Write it with torch.save(model.state_dict(), 'weights.pth'), or as safetensors."
_FOREIGN = {b"\x89HDF": "an HDF5 file, as Keras writes", b"\x93NUM": "an array of NumPy", b"GGUF": "a GGUF file"}

_MAGIC = torch.serialization.MAGIC_NUMBER.to_bytes(10, "little")  # begins a file of torch.save that is no archive


class Unknown(dict[Any, Any]):
    """Stands for an object that is no tensor: holds its state and its items, and does nothing.

    Attributes:
        state: What the file says of the object, usually its attributes by name.
    """

    state: object = None

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        """Keeps what the file says of the object."""
        self.state = state

    __hash__ = object.__hash__  # type: ignore[assignment]

    def append(self, item: object) -> None:
        """Takes an item, as a list does."""

    add = append

    @property
    def is_module(self) -> bool:
        """Whether it stands for a ``torch.nn.Module``."""
        return isinstance(self.state, dict) and "_modules" in self.state


class _Rebuild:
    """A function that makes a tensor; an unpickler can reach nothing of torch's through it.

    A pickle may set attributes of whatever it names, so it must not be given torch's own functions and classes.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> object:
        return self._function(*arguments)


def _plain(function: Callable[..., object], _: object, arguments: tuple[object, ...], __: object) -> object:
    """A tensor with attributes of its own, without them."""
    return function(*arguments)


_PARAMETER: dict[str, Callable[..., object]] = {
    "_rebuild_parameter": lambda data, *_: data,
    "_rebuild_parameter_with_state": lambda data, *_: data,
    "_rebuild_from_type_v2": _plain,
}
_TENSOR = (
    "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_sparse_tensor", "_rebuild_qtensor",
    "_rebuild_meta_tensor_no_storage",
)  # fmt: skip
_CONSTANTS = (torch.dtype, torch.layout, torch.qscheme)


class _Unpickler(pickle.Unpickler):
    """Makes tensors, numbers, texts and containers; whatever else a file names becomes an `Unknown`."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in _PARAMETER:
            return _Rebuild(_PARAMETER[name])
        if module == "torch._utils" and name in _TENSOR:
            return _Rebuild(getattr(torch._utils, name))
        if (module, name) == ("torch", "Size"):
            return _Rebuild(tuple)
        if (module, name) == ("torch.serialization", "_get_layout"):
            return _Rebuild(torch.serialization._get_layout)
        if module == "torch" and isinstance(constant := vars(torch).get(name), _CONSTANTS):
            return constant
        if (module, name) == ("torch.storage", "UntypedStorage"):  # of types that have no storage of their own
            return type(name, (Unknown,), {"dump_patches": False, "dtype": torch.uint8})
        return type(name, (Unknown,), {"dump_patches": False})


def _load(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


# What `torch.load` needs of a pickle module.
_PICKLE = SimpleNamespace(Unpickler=_Unpickler, load=_load, UnpicklingError=pickle.UnpicklingError, __name__="sembench")


def read_checkpoint(path: Path) -> Any:
    """What a file holds, whatever its suffix, on the CPU: tensors, numbers, texts and containers of them.

    Only tensors are made; every other object is an `Unknown`, so no code of the file or of its author runs.

    Raises:
        SuiteInvalid: If the file is neither safetensors nor of ``torch.save``, or is damaged.
    """
    try:
        with path.open("rb") as file:
            start = file.read(32)
        if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
            return _safetensors(path)
        _require_saved_by_torch(path, start)
        with path.open("rb") as file, warnings.catch_warnings():  # a path's suffix would choose the reader
            warnings.simplefilter("ignore")  # on the source code of pickled modules
            return torch.load(file, map_location="cpu", pickle_module=_PICKLE, weights_only=False)
    except SuiteInvalid:
        raise
    except Exception as error:  # an unpickler fails on a damaged file with errors of any kind
        raise SuiteInvalid(f"the weights {str(path)!r} cannot be read: {in_one_line(error)}. {_ADVICE}") from error


def _safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name; names that share a tensor are all there, as ``safetensors.torch.save_model`` notes them."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        noted = file.metadata() or {}
    aliases = {name: tensors[kept] for name, kept in noted.items() if kept in tensors and name not in tensors}
    return tensors | aliases


def _require_saved_by_torch(path: Path, start: bytes) -> None:
    """Raises `SuiteInvalid` for what `torch.load` would read with another reader than ours, or not at all."""

    def refuse(what: str) -> Never:
        raise SuiteInvalid(f"the weights {str(path)!r} cannot be read: this is {what}. {_ADVICE}")

    if not start:
        refuse("an empty file")
    if start[:4] in _FOREIGN:
        refuse(_FOREIGN[start[:4]])
    if start[:4] == b"PK\x03\x04":
        if not zipfile.is_zipfile(path):
            refuse("a zip archive that is damaged or cut off; copy it once more")
        names = [Path(name).name for name in zipfile.ZipFile(path).namelist()]
        if "constants.pkl" in names:
            refuse("an archive of TorchScript")
        if "data.pkl" not in names:
            refuse("a zip archive that torch.save did not write")
    elif tarfile.is_tarfile(path):
        refuse("a tar archive; unpack it, and give the file in it")
    elif start[:1] != b"\x80":
        refuse("neither safetensors nor a file of torch.save")
    elif _MAGIC not in start:
        refuse("a plain pickle, as pickle.dump or joblib writes, whose code would have to run")
