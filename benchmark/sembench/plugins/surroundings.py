"""What the user's own code sees while it runs: its folder first on the search path, no arguments, modules of its own.

Two folders may each hold a ``helpers.py``. What code imports of its own is kept by folder, and is out of the way while
code of another folder runs. Afterwards it is in ``sys.modules``, as after any import, unless its name is taken there;
a name that two folders bring is not left there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_NEVER_REPLACED = sys.stdlib_module_names | {"__main__", "numpy", "torch", "sembench", "sembench_baselines"}
"""Modules that stay what they are, once loaded, whatever lies in the user's folder."""


@dataclass
class _Kept:
    """What the code of a folder has imported of its own, and where else it looks."""

    modules: dict[str, ModuleType] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)


_KEPT: dict[tuple[tuple[Path, ...], tuple[Path, ...]], _Kept] = {}


@contextmanager
def surroundings(*first: Path, last: tuple[Path, ...] = (), argument: str, target: str = "") -> Iterator[None]:
    """Lets the user's code run as Python runs a script; search path, arguments and other modules are restored.

    Args:
        first: Folders whose modules are found before all others.
        last: Folders whose modules are found after all others.
        argument: The only argument on the command line that the code sees: its file.
        target: The module that is to be imported, found in these folders even if it is called like one of Python's.
    """
    folders, path, arguments = (first, last), list(sys.path), sys.argv
    kept = _KEPT.setdefault(folders, _Kept())
    beside = {_top(file.name) for place in first for file in place.iterdir()}
    importlib.invalidate_caches()
    elsewhere = [pair for key, other in _KEPT.items() if key != folders for pair in other.modules.items()]
    others = _taken_out(name for name, module in elsewhere if sys.modules.get(name) is module)
    tops = {name for name in beside - (_NEVER_REPLACED - {target}) if _is_other(name, first)}
    aside = _taken_out(name for name in list(sys.modules) if _top(name) in tops)
    sys.modules.update(kept.modules)
    known = set(sys.modules)
    sys.path[:] = [*map(str, first), *kept.paths, *path, *map(str, last)]
    sys.argv = [argument]
    try:
        yield
    finally:
        before = {*path, *map(str, first), *map(str, last)}
        kept.paths = [place for place in sys.path if place not in before]
        sys.path[:], sys.argv = path, arguments
        new = {_top(name) for name in set(sys.modules) - known}
        own = {_top(name) for name in kept.modules} | {name for name in new if not _found_without(name)}
        kept.modules = {name: module for name, module in sys.modules.items() if _top(name) in own}
        taken = {_top(name) for name in (*dict(elsewhere), *aside)}
        _taken_out(name for name in kept.modules if _top(name) in taken)
        sys.modules.update({name: module for name, module in others.items() if _top(name) not in own})
        sys.modules.update(aside)


def brought(file: Path) -> frozenset[Path]:
    """The files of the modules that code in a file's folder has imported of its own, wherever they lie."""
    place = file.resolve()
    modules = [
        module
        for (first, _), kept in _KEPT.items()
        if any(place.is_relative_to(folder) for folder in first)
        for module in kept.modules.values()
    ]
    files = {Path(str(getattr(module, "__file__", None))) for module in modules}
    return frozenset(found for found in files if found.is_file())


def _top(name: str) -> str:
    return name.partition(".")[0]


def _taken_out(names: Iterable[str]) -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in list(names) if name in sys.modules}


def _is_other(name: str, first: tuple[Path, ...]) -> bool:
    """Whether a module of this name is loaded, and another one stands in these folders."""
    loaded = sys.modules.get(name)
    here = None if loaded is None else PathFinder.find_spec(name, [str(place) for place in first])
    if here is None:
        return False
    plain = getattr(loaded, "__file__", None) is None
    if not here.origin and not plain:  # a folder without __init__.py never comes before a module
        return False
    return _places(here) != _places(getattr(loaded, "__spec__", None))


def _found_without(name: str) -> bool:
    """Whether a loaded module would be found without the folders of the user's code, too: where it is installed."""
    loaded = sys.modules.pop(name)
    spec = getattr(loaded, "__spec__", None)
    try:
        return spec is None or _places(importlib.util.find_spec(name)) == _places(spec)
    finally:
        sys.modules[name] = loaded


def _places(spec: ModuleSpec | None) -> set[str]:
    """Where a module stands: its file, or its folders where it has none."""
    if spec is None:
        return set()
    return set(map(os.path.realpath, [spec.origin] if spec.origin else spec.submodule_search_locations or ()))
