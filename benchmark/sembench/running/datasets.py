"""Loaders of data sets with the options of a run; licences and downloads. Reads no data itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from sembench.data.declaration import Licence, fetch_of, licence_of
from sembench.errors import DataMissing, PluginBroken, SuiteInvalid
from sembench.plugins.options import mismatch
from sembench.plugins.registry import DATASETS
from sembench.suites.plan import Run

if TYPE_CHECKING:
    from sembench.data.dataset import Dataset


def loader_of(run: Run) -> Callable[[Path], Dataset]:
    """The function that reads the run's data set from a root folder, with the run's options.

    Raises:
        UnknownName, PluginBroken: If there is no such data set, or it is no function.
        SuiteInvalid: If it does not take these options, by their names and by the types that it annotates.
    """
    name = run.data.name
    load = DATASETS.get(name)
    if not callable(load):
        raise PluginBroken(f"data set {name!r} is a {type(load).__name__}, not a function that loads one.")
    size = {} if run.data.image_size is None else {"image_size": run.data.image_size}
    options = {**size, **run.data.options()}
    signature = inspect.signature(load)
    try:
        signature.bind(Path(), **options)
    except TypeError as error:
        accepted = ", ".join(list(signature.parameters)[1:])
        raise SuiteInvalid(f"{name}: {error}. Options of {name} are: {accepted}.") from error
    for option, annotation in _annotations(load).items():
        if option in options and mismatch(annotation, options[option]):
            accepted = annotation.__name__ if isinstance(annotation, type) else signature.parameters[option].annotation
            raise SuiteInvalid(f"{name}: the option {option} is {options[option]!r}; accepted is {accepted}.")
    return partial(_read, load, options, run.data.looked_in())


def _read(load: Callable[..., Dataset], options: Mapping[str, Any], beside: str, data_root: Path) -> Dataset:
    try:
        return load(data_root, **options)
    except DataMissing as error:
        raise DataMissing(f"{error}{beside}") from error


def _annotations(load: Callable[..., Any]) -> dict[str, Any]:
    """Types of a loader's parameters; none where its annotations name what is not there when it runs."""
    try:
        return get_type_hints(load)
    except (NameError, TypeError, AttributeError):
        return {}


def one_per_dataset(runs: Iterable[Run]) -> list[Run]:
    """A run for each data set of each suite; all others of that data set ask for the same options."""
    return list({(run.suite, run.dataset): run for run in runs}.values())


def licences(runs: Iterable[Run]) -> dict[str, Licence]:
    """The licence that each data set of these runs declares, by label. Reads no data.

    Raises:
        UnknownName, PluginBroken: If there is no such data set.
    """
    return {run.dataset: licence_of(DATASETS.get(run.data.name), run.data.parameters) for run in one_per_dataset(runs)}


def fetch(runs: Iterable[Run], data_root: Path, report: Callable[[str], None]) -> None:
    """Fetches the published files of every data set of these runs, those that are there already left alone.

    Raises:
        UnknownName, PluginBroken: If there is no such data set.
        DataMissing: If files cannot be fetched.
    """
    for run in one_per_dataset(runs):
        fetcher = fetch_of(DATASETS.get(run.data.name))
        if fetcher is None:
            report(f"{run.dataset}: nothing to fetch; sembench knows no address of it")
            continue
        report(f"{run.dataset}: fetching what is missing into {data_root}")
        data_root.mkdir(parents=True, exist_ok=True)
        fetcher(data_root, run.data.parameters)
