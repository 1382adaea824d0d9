"""May these results stand on one board? Each rule says what two of them must share.

One suite makes one board, so rules hold within a suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import ResultsMixed
from benchmark.results import Measure, Result

# (what must agree, the group within which it must, its value in one result, what to do if it does not)
Rule = tuple[str, tuple[object, ...], Any, str]

_ABSENT = object()
_RERUN = "Compute the older one again with `sembench run --refresh`, or move it to another folder."
_PAIRED = "Every entry is compared with the black box of its own seed: compute the older one again."


def refuse_mixed(results: Iterable[tuple[Path, Result]]) -> None:
    """Compares every result with the first one of each group that it belongs to.

    Within a suite these must agree: version and meaning of a metric, and the kind of an entry; on one data set the
    data; over the seeds of an entry its hyper-parameters and settings (the seed aside); within one seed the black box
    and the explained images. A cell may occur once.

    Raises:
        ResultsMixed: At the first difference; the message names both files and both values.
    """
    seen: dict[tuple[object, ...], tuple[Path, Any]] = {}
    cells: dict[tuple[object, ...], Path] = {}
    for path, result in results:
        cell = (result.suite, result.dataset, result.explainer, result.seed)
        if cell in cells:
            name = f"{result.suite}/{result.dataset}/{result.explainer}/seed-{result.seed}"
            raise ResultsMixed(f"two results of {name}: {cells[cell]} and {path}. Keep one of them.")
        cells[cell] = path
        for what, group, value, remedy in _rules(result):
            first_path, first = seen.setdefault((what, *group), (path, value))
            if first != value:
                where, this, that = _difference(first, value)
                raise ResultsMixed(f"mixed {what}{where}: {this} in {first_path}, {that} in {path}. {remedy}")


def _rules(result: Result) -> Iterator[Rule]:
    suite, dataset, entry = result.suite, result.dataset, result.explainer
    for name, score in result.scores.items():
        yield f"versions of metric {name!r}", (suite,), score.measure.version, _RERUN
        yield f"meanings of metric {name!r}", (suite,), score.measure, _RERUN
    yield f"kinds of entry {entry!r}", (suite,), result.kind, "Give one of them another name."
    yield f"data of {dataset!r} (dataset_sha256)", (suite,), result.provenance.dataset_sha256, _RERUN
    name = f"of {entry!r} on {dataset!r}"
    yield f"hyperparameters {name}", (suite,), result.hyperparameters, _RERUN
    settings = {key: value for key, value in result.settings.items() if key != "seed"}
    yield f"settings {name}", (suite,), settings, _RERUN
    pair = f"on {dataset!r}, seed {result.seed}"
    yield f"black boxes (backbone_sha256) {pair}", (suite,), result.provenance.backbone_sha256, _PAIRED
    yield f"explained_images {pair}", (suite,), result.explained_images, _RERUN


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
