"""Rules of which results may stand on one board. Each says what two of them must share.

One suite makes one board, so rules hold within a suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar

from sembench.errors import ResultsMixed
from sembench.results.result import Result
from sembench.results.score import Measure

P = TypeVar("P", bound=PurePath)

# (what must agree, the group within which it must, its value in one result, what to do if it does not, its field)
Rule = tuple[str, tuple[object, ...], Any, str, str]

_ABSENT = object()
_RERUN = "Compute the older one again with `sembench run --refresh`, or move it to another folder."
_ONE_WAY = "Scores of maps compare only within one way: put the others into a suite of their own."
_PAIRED = "Every entry is compared with the black box of its own seed: compute the older one again."


@dataclass(frozen=True)
class Contradiction(Generic[P]):
    """Two results that must not stand on one board: path of the later one, field where they differ, what to do."""

    path: P
    field: str
    text: str
    remedy: str


def refuse_mixed(results: Iterable[tuple[P, Result]]) -> None:
    """Compares every result with the first one of each group that it belongs to.

    Within a suite these must agree: version and meaning of a metric, and the kind of an entry; on one data set the
    data, what is said of them, and how maps are made; over the seeds of an entry its hyper-parameters and settings (the
    seed aside); within one seed the explained images and the derived seeds, and the black box among results of one kind
    of machine. A run may occur once.

    Raises:
        ResultsMixed: At the first difference; the message names both files and both values.
    """
    for found in contradictions(results):
        raise ResultsMixed(f"{found.text}. {found.remedy}")


def contradictions(results: Iterable[tuple[P, Result]]) -> Iterator[Contradiction[P]]:
    """Every difference that `refuse_mixed` refuses, in the order of the results."""
    seen: dict[tuple[object, ...], tuple[P, Any]] = {}
    runs: dict[tuple[object, ...], P] = {}
    for path, result in results:
        run = (result.suite, result.dataset, result.explainer, result.seed)
        if run in runs:
            name = f"{result.suite}/{result.dataset}/{result.explainer}/seed-{result.seed}"
            text = f"two results of {name}: {runs[run]} and {path}"
            yield Contradiction(path, "seed", text, "Keep one of them.")
            continue
        runs[run] = path
        for what, group, value, remedy, field in _rules(result):
            first_path, first = seen.setdefault((what, *group), (path, value))
            if first != value:
                where, this, that = _difference(first, value)
                text = f"mixed {what}{where}: {this} in {first_path}, {that} in {path}"
                yield Contradiction(path, f"{field}.{where.removeprefix(', ')}" if where else field, text, remedy)


def _rules(result: Result) -> Iterator[Rule]:
    suite, dataset, entry = result.suite, result.dataset, result.explainer
    for name, score in result.scores.items():
        at = f"scores.{name}.measure"
        yield f"versions of metric {name!r}", (suite,), score.measure.version, _RERUN, f"{at}.version"
        yield f"meanings of metric {name!r}", (suite,), score.measure, _RERUN, at
    yield f"kinds of entry {entry!r}", (suite,), result.kind, "Give one of them another name.", "kind"
    told = result.provenance
    what = f"data of {dataset!r} (dataset_sha256)"
    yield what, (suite,), told.dataset_sha256, _RERUN, "provenance.dataset_sha256"
    said = {"classes": told.classes, "dataset_sizes": told.dataset_sizes, "dataset_licence": told.dataset_licence}
    said |= {"dataset_augmentation": told.dataset_augmentation}
    yield f"descriptions of {dataset!r}", (suite,), said, _RERUN, "provenance"
    if told.dataset_licence_open is not None:
        what = f"licences of {dataset!r}"
        yield what, (suite,), told.dataset_licence_open, _RERUN, "provenance.dataset_licence_open"
    statistics = {key: tuple(round(n, 6) for n in row) for key, row in told.dataset_statistics.items()}
    yield f"statistics of {dataset!r}", (suite,), statistics, _RERUN, "provenance.dataset_statistics"
    name = f"of {entry!r} on {dataset!r}"
    yield f"hyperparameters {name}", (suite,), result.hyperparameters, _RERUN, "hyperparameters"
    settings = {key: value for key, value in result.settings.items() if key != "seed"}
    yield f"settings {name}", (suite,), settings, _RERUN, "settings"
    asked = result.settings.get("backbone")
    made = asked.get("attribution", "lrp") if isinstance(asked, dict) else "lrp"
    yield f"ways to make maps on {dataset!r}", (suite,), made, _ONE_WAY, "settings.backbone.attribution"
    pair = f"on {dataset!r}, seed {result.seed}"
    what = f"black boxes (backbone_sha256) {pair}"
    yield what, (suite, *machine(result)), told.backbone_sha256, _PAIRED, "provenance.backbone_sha256"
    yield f"seeds {pair}", (suite,), told.seeds, _RERUN, "provenance.seeds"
    yield f"explained_images {pair}", (suite,), result.explained_images, _RERUN, "explained_images"


MACHINE = ("device", "processor", "system", "threads", "torch")
"""What `machine` tells, in words."""


def machine(result: Result) -> tuple[str, ...]:
    """The kind of machine that a result was computed on: between two, rounding and trained networks may differ."""
    told = result.provenance
    system = (str(told.hardware.get("processor")), str(told.hardware.get("system")), str(told.threads))
    return (told.device, *system, told.packages.get("torch", ""))


def _difference(first: Any, second: Any) -> tuple[str, str, str]:
    """Where two values differ (``.key.key``), and both values there, shortened."""
    where = ""
    if isinstance(first, Measure):
        first, second = first.model_dump(), second.model_dump()
    while isinstance(first, dict) and isinstance(second, dict):
        key = min(key for key in {*first, *second} if first.get(key, _ABSENT) != second.get(key, _ABSENT))
        where += f".{key}" if where else f", {key}"
        first, second = first.get(key, _ABSENT), second.get(key, _ABSENT)
    return where, _shown(first), _shown(second)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} images ({', '.join(map(str, value[:5]))}, ...)"
    text = "nothing" if value is _ABSENT else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
