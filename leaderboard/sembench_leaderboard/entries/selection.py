"""Which entry of the results is meant by "KMEx", or by "KMEx with another similarity"?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from sembench.results.result import Result

NOT_RUN = "no result of "


@dataclass(frozen=True)
class Method:
    """A method as a paper speaks of it.

    Attributes:
        names: Names of explainers in the registry; the first one that has results counts.
        changed: Hyper-parameters in which the entry differs from the method's plain entry, and only in these.
    """

    names: tuple[str, ...]
    changed: tuple[tuple[str, JsonValue], ...] = ()

    @property
    def title(self) -> str:
        """How the method is called in reports, e.g. ``kmex (similarity = log)``."""
        values = ", ".join(f"{key} = {in_words(value)}" for key, value in self.changed)
        return f"{' or '.join(self.names)} ({values})" if values else " or ".join(self.names)


def method(*names: str, **changed: JsonValue) -> Method:
    """The method under one of these names, with these hyper-parameters in place of the plain entry's."""
    return Method(names, tuple(sorted(changed.items())))


def name_of(result: Result) -> str:
    """The explainer's name in the registry, whatever the label of its entry."""
    asked = result.settings.get("explainer")
    return str(asked["name"]) if isinstance(asked, dict) and "name" in asked else result.explainer


def in_words(value: JsonValue) -> str:
    """A hyper-parameter's value as reports show it."""
    return value if isinstance(value, str) else json.dumps(value)


def differing(plain: Result, other: Result) -> list[str]:
    """Hyper-parameters in which two cells of one data set differ, sorted; recipes may depend on the data set."""
    before, after = plain.hyperparameters, other.hyperparameters
    return [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]


def find(wanted: Method, cells: Iterable[Result]) -> list[Result] | str:
    """The cells of a method's entry, one per seed.

    The plain entry of an explainer is the one that bears its name as label, else its only one.

    Args:
        wanted: The method.
        cells: All cells of one suite on one data set.

    Returns:
        The cells, ordered by seed; or why there are none, in words.
    """
    cells = list(cells)
    for name in wanted.names:
        entries: dict[str, list[Result]] = {}
        for cell in sorted((cell for cell in cells if name_of(cell) == name), key=lambda cell: cell.seed):
            entries.setdefault(cell.explainer, []).append(cell)
        if entries:
            return _entry(wanted, name, entries)
    return NOT_RUN + " or ".join(wanted.names)


def _entry(wanted: Method, name: str, entries: dict[str, list[Result]]) -> list[Result] | str:
    plain = entries.get(name) or (next(iter(entries.values())) if len(entries) == 1 else None)
    if plain is None:
        return f"{len(entries)} entries are {name} ({', '.join(entries)}); label the plain one {name}"
    if not wanted.changed:
        return plain
    hyperparameters = plain[0].hyperparameters | dict(wanted.changed)
    found = [own for own in entries.values() if _same(own, hyperparameters)]
    if len(found) > 1:
        return f"{len(found)} entries are {wanted.title}; keep one of them"
    return found[0] if found else f"{NOT_RUN}{wanted.title}"


def _same(cells: Sequence[Result], hyperparameters: dict[str, JsonValue]) -> bool:
    return json.dumps(cells[0].hyperparameters, sort_keys=True) == json.dumps(hyperparameters, sort_keys=True)
