"""Loads plugins that are not installed, by module name or by file; what they register counts as theirs.

A plugin registers at import, with the decorators of `sembench.plugins.registry`::

    from sembench.plugins.registry import EXPLAINERS

    @EXPLAINERS.register("mine")
    @dataclass(frozen=True)
    class Mine(Explainer): ...
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

from sembench.errors import NameTaken, PluginBroken
from sembench.plugins.code import of_file, why
from sembench.plugins.surroundings import surroundings


def load_plugins(specs: Iterable[str]) -> None:
    """Imports plugins, each once: names of modules, found in the working folder too, or paths of Python files.

    Raises:
        PluginBroken: If there is no such module or file, or it fails.
        NameTaken: If it registers a name that is in use.
    """
    for spec in specs:
        try:
            if spec.endswith(".py"):
                _load_file(Path(spec))
            elif not all(part.isidentifier() for part in spec.split(".")) or Path(spec).is_file():
                raise PluginBroken(
                    f"plugin {spec!r} is neither the name of a module (my_method) nor the path of a Python file "
                    "(path/to/my_method.py)."
                )
            else:
                _load_module(spec)
        except (NameTaken, PluginBroken):
            raise
        except (Exception, SystemExit) as error:
            raise PluginBroken(f"plugin {spec!r} does not load: {why(error)}. Repair it, or leave it out.") from error


def _load_file(path: Path) -> None:
    if not path.is_file():
        raise PluginBroken(
            f"plugin {path.resolve()} is no file. Give the path of a Python file, or the name of a module."
        )
    of_file(path, path.stem).module()


def _load_module(name: str) -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()
    if importlib.util.find_spec(name) is None:
        raise PluginBroken(
            f"plugin {name!r} is no module that can be imported here. Install its package, start in the folder that "
            f"holds it, or give a path: --plugin path/to/{name}.py."
        )
    with surroundings(argument=name):
        importlib.import_module(name)
