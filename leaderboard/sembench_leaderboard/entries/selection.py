"""Selection of the entry that is meant by "KMEx", or by "KMEx with another similarity"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from sembench.results.result import Result
from sembench_leaderboard.entries.grouping import gathered

NOT_RUN = "no result of "


@dataclass(frozen=True)
class Selected:
    """The runs of an entry on one data set, one per seed, ordered by seed; at least one."""

    runs: tuple[Result, ...]

    @property
    def label(self) -> str:
        """Label of the entry."""
        return self.runs[0].explainer


@dataclass(frozen=True)
class Missing:
    """Why there is nothing, in words, and the title of the method that was looked for, where one was."""

    why: str
    label: str = field(default="", compare=False)


Found = Selected | Missing


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
    """A value of JSON, such as a hyper-parameter's, as reports show it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def differing(plain: Result, other: Result) -> list[str]:
    """Hyper-parameters in which two runs of one data set differ, sorted; recipes may depend on the data set."""
    before, after = plain.hyperparameters, other.hyperparameters
    return [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]


def find(wanted: Method, runs: Iterable[Result]) -> Found:
    """The entry of a method, among all runs of one suite on one data set.

    The plain entry of an explainer is the one that bears its name as label, else its only one.
    """
    runs = list(runs)
    for name in wanted.names:
        own = sorted((run for run in runs if name_of(run) == name), key=lambda run: run.seed)
        if entries := gathered(own, lambda run: run.explainer):
            return _entry(wanted, name, {label: Selected(tuple(runs)) for label, runs in entries.items()})
    return Missing(NOT_RUN + " or ".join(wanted.names), wanted.title)


def one_choice(runs: Sequence[Result]) -> Iterator[tuple[Selected, str, Result]]:
    """Plain entries on one data set, each with a hyper-parameter and a run that differs from it in that alone.

    An explainer of several entries none of which is plain has nothing to compare with.
    """
    for name in sorted({name_of(run) for run in runs}):
        plain = find(Method((name,)), runs)
        if isinstance(plain, Selected):
            for other in runs:
                keys = differing(plain.runs[0], other) if name_of(other) == name else []
                if len(keys) == 1:
                    yield plain, keys[0], other


def _entry(wanted: Method, name: str, entries: dict[str, Selected]) -> Found:
    plain = entries.get(name) or (next(iter(entries.values())) if len(entries) == 1 else None)
    if plain is None:
        several = f"{len(entries)} entries are {name} ({', '.join(entries)}); label the plain one {name}"
        return Missing(several, wanted.title)
    if not wanted.changed:
        return plain
    recipe = _as_json(plain.runs[0].hyperparameters | dict(wanted.changed))
    found = [own for own in entries.values() if _as_json(own.runs[0].hyperparameters) == recipe]
    if len(found) > 1:
        return Missing(f"{len(found)} entries are {wanted.title}; keep one of them", wanted.title)
    return found[0] if found else Missing(f"{NOT_RUN}{wanted.title}", wanted.title)


def _as_json(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


def others(parameter: str, run: Result) -> frozenset[tuple[str, str]]:
    """All other hyper-parameters, values as JSON; this one is left out in those of a conversion's model, too."""

    def without(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        own = {key: value for key, value in values.items() if key != parameter}
        return {key: without(value) if isinstance(value, dict) else value for key, value in own.items()}

    return frozenset((key, _as_json(value)) for key, value in without(run.hyperparameters).items())
