"""The user's own network: ``module:factory``, or ``path/to/file.py:factory``. This module imports no torch."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sembench.errors import PluginBroken, SuiteInvalid
from sembench.plugins.registry import module_file

FORM = "write module:factory, or path/to/file.py:factory; the factory is a function (or class) that makes the network"


def is_factory(name: str) -> bool:
    """Whether a backbone's name stands for code of the user's rather than an entry of the registry."""
    return ":" in name


def file_of(name: str) -> Path | None:
    """The file that a factory stands in, found without importing it; ``None`` where there is none."""
    place, _ = _split(name)
    if place.endswith(".py"):
        return Path(place) if Path(place).is_file() else None
    with _here():
        return module_file(place)


def load(name: str) -> Callable[..., Any]:
    """The factory itself; runs the user's module.

    Raises:
        SuiteInvalid: If there is no such module, file or function.
        PluginBroken: If the module does not load.
    """
    place, attribute = _split(name)
    if file_of(name) is None:
        raise SuiteInvalid(f"backbone {name!r}: there is no module {place!r} (seen from {Path.cwd()}); {FORM}.")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _from_name(place)
    except Exception as error:
        raise PluginBroken(
            f"backbone {name!r}: {place} does not load: {type(error).__name__}: {error}. Repair it first."
        ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        raise SuiteInvalid(f"backbone {name!r}: {place} has no function {attribute!r}; {FORM}.")
    return found  # type: ignore[no-any-return]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal. Raises `SuiteInvalid` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SuiteInvalid(
            f"the weights {str(path)!r} cannot be read ({error.strerror}); accepted are 'none', 'imagenet', or a file."
        ) from error


def _split(name: str) -> tuple[str, str]:
    place, _, attribute = name.rpartition(":")
    if not place or not attribute.isidentifier():
        raise SuiteInvalid(f"backbone {name!r}: {FORM}.")
    return place, attribute


@contextmanager
def _here() -> Iterator[None]:
    """Lets modules be found in the working directory too, after everything that is installed."""
    place = str(Path.cwd())
    sys.path.append(place)
    try:
        yield
    finally:
        sys.path.remove(place)


def _from_name(name: str) -> ModuleType:
    with _here():
        return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    name = f"sembench_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    return sys.modules[name] if name in sys.modules else module_from_file(path, name)


def module_from_file(path: Path, name: str) -> ModuleType:
    """Runs a Python file as the module ``name``; one that fails leaves no module behind.

    Raises:
        ImportError: If it is not a Python file; and whatever the file raises.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
