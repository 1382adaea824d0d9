"""What reads a cell's data set, and does it take the cell's options? Reads no data itself."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from sembench.data.declaration import Licence, fetch_of, licence_of
from sembench.errors import PluginBroken, SuiteInvalid
from sembench.plugins.registry import DATASETS
from sembench.suites.plan import Cell

if TYPE_CHECKING:
    from sembench.data.dataset import Dataset


def options_of(cell: Cell) -> dict[str, Any]:
    """The options of the cell's data set, its image size left out."""
    spec: Any = cell.settings["dataset"]
    return dict(spec.get("parameters", {}))


def loader_of(cell: Cell) -> Callable[[Path], Dataset]:
    """What reads the cell's data set from a root folder, with the cell's options.

    Raises:
        UnknownName, PluginBroken: If there is no such data set, or it is no function.
        SuiteInvalid: If it does not take these options, by their names and by the types that it annotates.
    """
    spec: Any = cell.settings["dataset"]
    load = DATASETS.get(spec["name"])
    if not callable(load):
        raise PluginBroken(f"data set {spec['name']!r} is a {type(load).__name__}, not a function that loads one.")
    size = {} if spec["image_size"] is None else {"image_size": spec["image_size"]}
    options = {**size, **options_of(cell)}
    signature = inspect.signature(load)
    try:
        signature.bind(Path(), **options)
    except TypeError as error:
        accepted = ", ".join(list(signature.parameters)[1:])
        raise SuiteInvalid(f"{spec['name']}: {error}. Options of {spec['name']} are: {accepted}.") from error
    for name, annotation in _annotations(load).items():
        if name in options and not _takes(annotation, options[name]):
            accepted = annotation.__name__ if isinstance(annotation, type) else signature.parameters[name].annotation
            raise SuiteInvalid(f"{spec['name']}: the option {name} is {options[name]!r}; accepted is {accepted}.")
    return partial(load, **options)


def _annotations(load: Callable[..., Any]) -> dict[str, Any]:
    """Types of a loader's parameters; none where its annotations name what is not there when it runs."""
    try:
        return get_type_hints(load)
    except (NameError, TypeError, AttributeError):
        return {}


def _takes(annotation: Any, value: object) -> bool:
    """Whether a value of a suite is of a type, as JSON has it, not converted: neither ``"no"`` nor 1 is a ``bool``."""
    try:
        TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    except PydanticUserError:  # a type that JSON knows nothing of: the loader's own business
        return True
    return True


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
