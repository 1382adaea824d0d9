"""Which cells does a suite ask for, and which of them are there already? This module imports no torch."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from sembench.plugins.factory import file_of, is_factory
from sembench.plugins.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS
from sembench.results.result import Result, digest, read_result, result_path
from sembench.suites.suite import Suite

UNKNOWN_SOURCE = "unknown"
"""In place of a hash where code has no file, e.g. in a notebook; what such code fits is not cached."""

Status = Literal["missing", "done", "stale"]


@dataclass(frozen=True)
class Cell:
    """One explainer on one data set with one seed: what is asked for.

    Attributes:
        suite: Name of the suite.
        dataset: Label of the data set on the board.
        entry: Label on the board.
        seed: The seed.
        settings: Everything that decides the numbers, as JSON.
        batch_size: Images per forward pass; decides no number beyond rounding.
    """

    suite: str
    dataset: str
    entry: str
    seed: int
    settings: dict[str, JsonValue]
    batch_size: int

    @property
    def identity(self) -> str:
        """Hash of the settings: equal for two cells that ask the same question."""
        return digest(self.settings)

    @property
    def name(self) -> str:
        """``suite/data set/entry/seed-n``, for messages."""
        return f"{self.suite}/{self.dataset}/{self.entry}/seed-{self.seed}"

    def named(self, key: str) -> str:
        """Name of the explainer, data set or backbone in the settings."""
        part = self.settings[key]
        return str(part["name"]) if isinstance(part, dict) else str(part)

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics to compute."""
        names = self.settings["metrics"]
        return [str(name) for name in names] if isinstance(names, list) else []

    def path(self, root: Path) -> Path:
        """Where the result lies below ``root``."""
        return result_path(root, self.suite, self.dataset, self.entry, self.seed)


def plan(
    suite: Suite,
    *,
    explainers: Iterable[str] = (),
    datasets: Iterable[str] = (),
    seeds: Iterable[int] = (),
) -> list[Cell]:
    """The cells of a suite, grouped so that a trained backbone serves all entries that share it.

    Args:
        suite: The suite.
        explainers: Entries to run instead of the suite's; a name that the suite does not know is taken from the
            registry with its defaults.
        datasets: Labels of the data sets to run on instead of all of the suite's; a name that the suite does not know
            is taken from the registry.
        seeds: Seeds instead of the data set's, or the suite's.

    Names are not looked up here: `check_names` does that for the cells that are still to run.
    """
    specs = [suite.explainer(entry) for entry in explainers] or list(suite.explainers)
    sets = [suite.dataset(name) for name in datasets] or list(suite.datasets)
    cells = []
    for data in sets:
        asked: dict[str, JsonValue] = {"name": data.name, "image_size": data.image_size}
        common: dict[str, JsonValue] = {
            "dataset": {**asked, "parameters": data.parameters} if data.parameters else asked,
            "backbone": (data.backbone or suite.backbone).settings(),
            "training": (data.training or suite.training).settings(),
            "evaluation": suite.evaluation.model_dump(mode="json", exclude={"batch_size"}),
            "metrics": list(suite.metrics),
        }
        for seed in tuple(seeds) or data.seeds or suite.seeds:
            for spec in specs:
                explainer: JsonValue = {"name": spec.name, "parameters": spec.parameters}
                settings = {**common, "explainer": explainer, "seed": seed}
                batch_size = suite.evaluation.batch_size
                cells.append(Cell(suite.name, data.entry, spec.entry, seed, settings, batch_size))
    return cells


def cell_of(result: Result) -> Cell:
    """The cell that a result answers, to be computed again."""
    told = result.provenance
    return Cell(result.suite, result.dataset, result.explainer, result.seed, result.settings, told.batch_size)


def check_names(cells: Iterable[Cell]) -> None:
    """Raises `UnknownName`, with near matches, for the first name in these cells that no registry knows."""
    for cell in cells:
        for registry, key in ((EXPLAINERS, "explainer"), (DATASETS, "dataset"), (BACKBONES, "backbone")):
            registry.require(cell.named(key))
        for metric in cell.metrics:
            METRICS.require(metric)


def status(cell: Cell, root: Path) -> tuple[Status, Result | None]:
    """Is a cell's result there? ``stale`` if a result of other settings stands in its place.

    Raises:
        ResultDamaged: If a file is there that cannot be read.
    """
    path = cell.path(root)
    if not path.exists():
        return "missing", None
    result = read_result(path)
    return ("done" if result.identity == cell.identity else "stale"), result


_MOVES_NUMBERS = (
    "backbones", "data", "evaluation", "explainers", "metrics", "relevance", "running", "training", "cost.py",
    "seeding.py", "similarity.py", "types.py",
)  # fmt: skip
"""The parts of sembench that decide a number; how a model is drawn, or a command spelled, decides none."""


def sources(cell: Cell) -> dict[str, str]:
    """Hashes of the source code that a cell's numbers depend on, found without importing it."""
    return {
        "instrument": _instrument_hash(),
        "explainer": _source_hash(EXPLAINERS.source(cell.named("explainer"))),
        "dataset": _source_hash(DATASETS.source(cell.named("dataset"))),
        "backbone": _backbone_hash(cell.named("backbone")),
        **{f"metric {name}": _source_hash(METRICS.source(name)) for name in cell.metrics},
    }


def _backbone_hash(name: str) -> str:
    """Hash of the code behind a backbone; for a network of the user's, of its file together with ours."""
    ours = _source_hash(BACKBONES.source(name))
    if not is_factory(name):
        return ours
    own = _source_hash(file_of(name))
    return own if own == UNKNOWN_SOURCE else hashlib.sha256(f"{ours} {own}".encode()).hexdigest()


@lru_cache(maxsize=1)
def _instrument_hash() -> str:
    """SHA-256 of every module of sembench that decides a number."""
    root = Path(__file__).parents[1]
    places = [root / name for name in _MOVES_NUMBERS]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    return _hash_of(files, root)


@lru_cache(maxsize=256)
def _source_hash(path: Path | None) -> str:
    """SHA-256 of a module together with what it imports of its own package, directly or not.

    Of a module of sembench itself only the file counts here: the rest of it is the instrument's.
    """
    if path is None:
        return UNKNOWN_SOURCE
    root = path.parent
    while (root / "__init__.py").exists():
        root = root.parent
    if root == path.parent or root == Path(__file__).parents[2]:
        return _hash_of([path], path.parent)
    found, open_ends = {path}, [path]
    while open_ends:
        for file in _imported(open_ends.pop(), root) - found:
            found.add(file)
            open_ends.append(file)
    return _hash_of(found, root)


def _imported(path: Path, root: Path) -> set[Path]:
    """Files of the same package that a module imports, wherever in it the import stands."""
    package = path.relative_to(root).parts[:-1]
    names: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            names |= {module, *((*module, alias.name) for alias in node.names)}
    own = [root.joinpath(*name) for name in names if name[:1] == package[:1]]
    files = [file for place in own for file in (place.with_name(f"{place.name}.py"), place / "__init__.py")]
    return {file for file in files if file.is_file()}


def _hash_of(files: Iterable[Path], root: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
