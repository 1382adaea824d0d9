"""Names of plugins, and the objects behind them: by decorator, by entry point, by family."""

from __future__ import annotations

import fnmatch
import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from sembench.errors import NameTaken, PluginBroken, UnknownName

T = TypeVar("T")

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.()+-]*$"
LONGEST_NAME = 80
"""What a name may be, since it is the name of a folder too."""

_PLUGIN = " One of your own needs --plugin MODULE|FILE, or its package installed."


class Registry:
    """Names of one kind of plugin. Listing imports nothing; a broken plugin fails only when asked for.

    An entry point whose name holds a ``*`` is a *family*: its object is called with the name that was asked for
    and returns what the name means (``b*`` for ``b34``, say), or raises ``LookupError`` where it means nothing.

    Args:
        kind: Singular noun for messages, e.g. ``"explainer"``.
        group: Entry-point group, e.g. ``"sembench.explainers"``.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._objects: dict[str, Any] = {}
        self._sources: dict[str, Path | None] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that puts an object under a name; the module that calls it counts as the object's source.

        A package may register what is an entry point of its own as well.

        Raises:
            PluginBroken: If the name is none.
            NameTaken: If the name is in use.
        """
        caller = sys._getframe(1).f_globals
        if len(name) > LONGEST_NAME or not re.fullmatch(NAME, name):
            raise PluginBroken(
                f"{self.kind} {name!r} cannot be registered: a name is at most {LONGEST_NAME} letters, digits and "
                "_.()+- and begins with a letter or digit. Register yours under another name."
            )

        def put(thing: T) -> T:
            point, package = self.points().get(name), str(caller.get("__name__")).partition(".")[0]
            if name in self._objects or (point is not None and point.module.partition(".")[0] != package):
                raise NameTaken(f"{self.kind} {name!r} is taken already; register yours under another name.")
            self._objects[name] = thing
            self._sources[name] = Path(caller["__file__"]) if "__file__" in caller else None
            return thing

        return put

    def points(self) -> dict[str, EntryPoint]:
        """What installed packages bring, by name; of several that claim one name the first."""
        return {point.name: point for point in reversed(tuple(entry_points(group=self.group)))}

    def _claims(self, name: str) -> list[str]:
        return list(dict.fromkeys(point.value for point in entry_points(group=self.group) if point.name == name))

    def _require_unclaimed(self, name: str) -> None:
        """Raises `NameTaken` where two packages claim a name; the other names still work."""
        claims = self._claims(name)
        if len(claims) > 1:
            raise NameTaken(
                f"{self.kind} {name!r} is claimed by {' and by '.join(claims)}; uninstall one of the packages or "
                "rename one of the plugins."
            )

    def names(self) -> list[str]:
        """All names, sorted, families as their pattern. Imports no plugin."""
        return sorted({*self._objects, *self.points()})

    def _find(self, name: str) -> EntryPoint:
        points = self.points()
        if name in points and "*" not in name:
            self._require_unclaimed(name)
            return points[name]
        for pattern, point in sorted(points.items()):
            if "*" in pattern and "*" not in name and fnmatch.fnmatchcase(name, pattern):
                return point
        raise UnknownName(self.kind, name, self.names(), _PLUGIN)

    def get(self, name: str) -> Any:
        """The object under a name. Raises `UnknownName` with near matches, or `PluginBroken`."""
        if name in self._objects:
            return self._objects[name]
        point = self._find(name)
        try:
            thing = point.load()
        except (Exception, SystemExit) as error:
            raise PluginBroken(
                f"{self.kind} {name!r} is registered as {point.value} but does not load: "
                f"{type(error).__name__}: {error}. Repair or uninstall that package; the others still work."
            ) from error
        if "*" not in point.name:
            return thing
        try:
            return thing(name)
        except LookupError as error:
            raise UnknownName(self.kind, name, self.names()) from error

    def origin(self, name: str) -> str:
        """Where a name comes from, for a person: package and object. Imports nothing."""
        point = self.points().get(name)
        if point is None and self._sources.get(name) is not None:
            return f"registered by {self._sources[name]}"
        if point is None:
            return "registered in this process"
        if len(claims := self._claims(name)) > 1:
            return f"claimed by {' and by '.join(claims)}"
        package = point.dist.name if point.dist else "unknown package"
        return f"{point.value} ({package})"

    def require(self, name: str) -> None:
        """Raises `UnknownName` unless the name is known. Imports nothing, but for the name of a family."""
        if name not in self.names() or "*" in name:
            self.get(name)
        self._require_unclaimed(name)

    def source(self, name: str) -> Path | None:
        """The file that defines a name, found without importing it; ``None`` where there is none."""
        if name in self._sources:
            return self._sources[name]
        if name in self._objects:
            module = sys.modules.get(getattr(self._objects[name], "__module__", ""))
            return Path(module.__file__) if module is not None and module.__file__ else None
        return module_file(self._find(name).module)


def module_file(name: str) -> Path | None:
    """The file of a module, found without importing it or the packages around it; ``None`` where there is none."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not inner:
        return Path(spec.origin) if spec and spec.origin and spec.has_location else None
    places = [Path(location, *inner) for location in spec.submodule_search_locations or ()]
    files = (file for place in places for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"))
    return next((file for file in files if file.is_file()), None)


EXPLAINERS = Registry("explainer", "sembench.explainers")
METRICS = Registry("metric", "sembench.metrics")
DATASETS = Registry("data set", "sembench.datasets")
BACKBONES = Registry("backbone", "sembench.backbones")
FIGURES = Registry("figure", "sembench.figures")
