"""Results of one or more folders, read strictly, refused where they do not belong together.

A result lies at ``<root>/<suite>/<data set>/<explainer>/seed-<n>.json``; everything else below a root is left alone:
hidden files and folders, caches, files that are still being written, tracebacks, boards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sembench.errors import ResultDamaged, SembenchError
from sembench.results.result import Result, read_result
from sembench_leaderboard.entries.consistency import refuse_mixed

_FILE = re.compile(r"seed-(0|[1-9][0-9]*)\.json")


def find(roots: Sequence[Path], suite: str | None = None) -> list[Path]:
    """Result files below the roots, of one suite or of all; a file that two roots lead to is found once.

    They are ordered by suite, data set, explainer and seed.
    """
    found: dict[Path, Path] = {}
    for root in roots:
        for path in root.glob("*/*/*/seed-*.json"):
            place = path.relative_to(root).parts
            hidden = any(part.startswith(".") for part in place)
            if _FILE.fullmatch(path.name) and not hidden and suite in (None, place[0]):
                found.setdefault(path.resolve(), path)
    return sorted(found.values(), key=lambda path: (*path.parts[-4:-1], int(path.stem.removeprefix("seed-")), path))


def load(roots: Sequence[Path], suite: str | None = None) -> list[Result]:
    """Reads all results of a suite, or of all, that may stand on one board, in the order of `find`.

    Raises:
        SembenchError: If there are none.
        ResultDamaged: If a file cannot be read; the message names the first one with its wrong field, and the others.
        ResultsMixed: If two results contradict each other, see `refuse_mixed`.
    """
    paths = find(roots, suite)
    if not paths:
        raise SembenchError(_nothing_found(roots, suite))
    results, damaged = [], []
    for path in paths:
        try:
            results.append((path, read_result(path)))
        except (ResultDamaged, FileNotFoundError) as error:
            damaged.append((path, error))
    if damaged:
        raise ResultDamaged(_all_damaged(damaged)) from damaged[0][1]
    refuse_mixed(results)
    return [result for _, result in results]


def _nothing_found(roots: Sequence[Path], suite: str | None) -> str:
    looked = ", ".join(str(root / (suite or "<suite>") / "<data set>/<explainer>/seed-<n>.json") for root in roots)
    others = sorted({path.parts[-4] for path in find(roots)})
    elsewhere = f" There are results of {', '.join(others)}." if others else ""
    command = f"sembench run --suite {suite}" if suite else "sembench run"
    return f"no results at {looked or 'no folder at all'}.{elsewhere} Run `{command}` first, or name another folder."


def _all_damaged(damaged: Sequence[tuple[Path, Exception]]) -> str:
    path, error = damaged[0]
    first = str(error) if isinstance(error, ResultDamaged) else f"{path} is not there any more."
    if len(damaged) == 1:
        return first
    others = ", ".join(str(path) for path, _ in damaged[1:4]) + (", ..." if len(damaged) > 4 else "")
    return f"{first} {len(damaged) - 1} more cannot be read either: {others}."


def on_free_data(results: Iterable[Result]) -> tuple[list[Result], dict[str, str]]:
    """The results on data under a free licence, and why other data sets are left out.

    Returns:
        Results in their order; and by data set the licence that is not free, or that none was recorded.

    Raises:
        SembenchError: If nothing is left.
    """
    kept, left_out = [], {}
    for result in results:
        if result.provenance.dataset_licence_open:
            kept.append(result)
        else:
            recorded = result.provenance.dataset_licence_open is not None
            unknown = "whether its licence is free is not recorded; `sembench run --refresh` records it"
            left_out[result.dataset] = result.provenance.dataset_licence if recorded else unknown
    if not kept:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise SembenchError(f"no result stands on free data ({reasons}). Leave out --licence to see them all.")
    return kept, left_out
