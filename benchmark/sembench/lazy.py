"""Public names of a package that are imported when they are first used (PEP 562), so that naming them costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package, and its ``__all__``.

    Type checkers do not see through this: the package imports the same names under ``TYPE_CHECKING``.

    Args:
        package: Its ``__name__``.
        homes: Names, separated by blanks, by the module that defines them; ``public=own`` where it has another there.
    """
    home = {name.partition("=")[0]: (module, name) for module, names in homes.items() for name in names.split()}
    namespace = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"{package} has no {name!r}; its public names are {', '.join(home)}")
        module, named = home[name]
        namespace[name] = getattr(importlib.import_module(module), named.rpartition("=")[2])
        return namespace[name]

    return get, lambda: sorted({*namespace, *home}), sorted(home)
