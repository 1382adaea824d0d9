"""May the data be used, and how does it get here? What cells need before their data sets are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from benchmark.data.declaration import fetch_of, licence_of
from benchmark.data.licence import Licence
from benchmark.loading import options_of
from benchmark.plan import Cell
from benchmark.registry import DATASETS


def licences(cells: Iterable[Cell]) -> dict[str, Licence]:
    """The licence that each data set of these cells declares, by label. Reads no data.

    Raises:
        UnknownName, PluginBroken: If there is no such data set.
    """
    found: dict[str, Licence] = {}
    for cell in cells:
        if cell.dataset not in found:
            found[cell.dataset] = licence_of(DATASETS.get(cell.named("dataset")), options_of(cell))
    return found


def fetch(cells: Iterable[Cell], data_root: Path, report: Callable[[str], None]) -> None:
    """Fetches the published files of every data set of these cells, those that are there already left alone.

    Args:
        cells: The cells that are to run.
        data_root: Folder of data sets.
        report: Takes a line for each data set.

    Raises:
        UnknownName, PluginBroken: If there is no such data set.
        DataMissing: If files cannot be fetched.
    """
    seen = set()
    for cell in cells:
        if cell.dataset in seen:
            continue
        seen.add(cell.dataset)
        fetcher = fetch_of(DATASETS.get(cell.named("dataset")))
        if fetcher is None:
            report(f"{cell.dataset}: nothing to fetch; sembench knows no address of it")
            continue
        report(f"{cell.dataset}: fetching what is missing into {data_root}")
        data_root.mkdir(parents=True, exist_ok=True)
        fetcher(data_root, options_of(cell))
