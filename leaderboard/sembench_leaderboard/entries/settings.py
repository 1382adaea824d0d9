"""Settings of results that are not those of the suite whose name they bear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue

from sembench.errors import SembenchError
from sembench.results.result import Result
from sembench.suites.plan import plan
from sembench.suites.suite import Suite, load_suite

_NO_NUMBERS = ("evaluation.variants",)  # adds numbers, and changes none
_GROUPS = ("dataset", "backbone", "training", "evaluation")


def known_suite(name: str) -> Suite | None:
    """The suite of this name that comes with sembench, if one does. No file is read by the name in a result."""
    try:
        return None if name.endswith(".toml") or "/" in name else load_suite(name)
    except SembenchError:
        return None


def altered(name: str, results: Iterable[Result]) -> list[str]:
    """Fields of settings, e.g. ``training.epochs``, whose value in some result is not the suite's, sorted.

    Explainers, seeds and data sets that a suite does not have stand on the board under their own names, and are no
    alteration. Of a suite that does not come with sembench nothing is known.
    """
    suite = known_suite(name)
    if suite is None:
        return []
    asked = {run.dataset: dict(_fields(run.settings)) for run in plan(suite, explainers=["blackbox"])}
    return sorted({
        field
        for result in results
        for field, value in _fields(result.settings)
        if field not in _NO_NUMBERS and asked.get(result.dataset, {}).get(field, value) != value
    })  # fmt: skip


def _fields(settings: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    for group in _GROUPS:
        own = settings.get(group)
        for key, value in own.items() if isinstance(own, dict) else ():
            yield f"{group}.{key}", value
