"""The user's own network: ``module:factory``, or ``path/to/file.py:factory``. This module imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sembench.errors import PluginBroken, SuiteInvalid
from sembench.plugins.code import Code, in_folder, of_file, why
from sembench.plugins.registry import module_file

FORM = "write module:factory, or path/to/file.py:factory; the factory is a function (or class) that makes the network"


def is_factory(name: str) -> bool:
    """Whether a backbone's name stands for code of the user's rather than an entry of the registry."""
    return ":" in name


def code_of(name: str) -> Code | None:
    """The code that a factory stands in, found without importing it; ``None`` where there is none."""
    place, _ = _split(name)
    if place.endswith(".py"):
        return of_file(Path(place)) if Path(place).is_file() else None
    here = Path.cwd()
    file = in_folder(here, place)
    if file is not None:
        lone = "." not in place and file.name != "__init__.py"
        return of_file(file) if lone else Code(file, place, first=(here.resolve(),))
    file = module_file(place)
    return None if file is None else Code(file, place, last=(here.resolve(),))


def load(name: str) -> Callable[..., Any]:
    """The factory; runs the user's module. The factory itself runs in `running`.

    Raises:
        SuiteInvalid: If there is no such module, file or function.
        PluginBroken: If the module does not load.
    """
    (place, attribute), code = _split(name), code_of(name)
    if code is None:
        raise SuiteInvalid(f"backbone {name!r}: there is no module {place!r} (seen from {Path.cwd()}); {FORM}.")
    try:
        found = getattr(code.module(), attribute, None)
    except (Exception, SystemExit) as error:
        raise PluginBroken(f"backbone {name!r}: {place} does not load: {why(error)}. Repair it first.") from error
    if not callable(found):
        raise SuiteInvalid(f"backbone {name!r}: {place} has no function {attribute!r}; {FORM}.")
    return found  # type: ignore[no-any-return]


@contextmanager
def running(name: str) -> Iterator[None]:
    """Lets a factory run as its module did: what lies beside its file can be imported."""
    code = code_of(name)
    if code is None:
        yield
        return
    with code.surroundings():
        yield


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
