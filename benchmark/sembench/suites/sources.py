"""Hashes of the source code that the numbers of a run depend on, found without importing it."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from sembench.plugins.factory import code_of, file_sha256, is_factory
from sembench.plugins.registry import BACKBONES
from sembench.plugins.surroundings import brought

UNKNOWN_SOURCE = "unknown"
"""In place of a hash where code has no file, e.g. in a notebook; what such code fits is not cached."""

_MOVES_NUMBERS = (
    "backbones", "data", "evaluation", "explainers", "metrics", "relevance", "running", "training", "cost.py",
    "seeding.py", "similarity.py", "types.py",
)  # fmt: skip
"""The parts of sembench that decide a number; how a model is drawn, or a command spelled, decides none."""


@lru_cache(maxsize=1)
def instrument_hash() -> str:
    """SHA-256 of every module of sembench that decides a number."""
    root = Path(__file__).parents[1]
    places = [root / name for name in _MOVES_NUMBERS]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    return _hash_of(files, root)


def backbone_hash(name: str) -> str:
    """SHA-256 of the code behind a backbone; for a network of the user's, of its file together with ours."""
    ours = source_hash(BACKBONES.source(name))
    if not is_factory(name):
        return ours
    code = code_of(name)
    own = UNKNOWN_SOURCE if code is None else source_hash(code.file, code.first)
    return own if own == UNKNOWN_SOURCE else hashlib.sha256(f"{ours} {own}".encode()).hexdigest()


def plugin_hash(path: Path | None) -> str:
    """SHA-256 of a module as `source_hash` finds it, and of what it has imported of its own from anywhere else."""
    found = source_hash(path)
    more = frozenset() if path is None else brought(path)
    if not more:
        return found
    return hashlib.sha256(" ".join([found, *sorted(map(file_sha256, more))]).encode()).hexdigest()


@lru_cache(maxsize=256)
def source_hash(path: Path | None, first: tuple[Path, ...] = ()) -> str:
    """SHA-256 of a module together with what it imports of its own package, or from its own folder, directly or not.

    Of a module of sembench itself only the file counts here: the rest of it is the instrument's. What is installed
    has only its package of its own; other code also what lies beside its file, or beside its package, or in the folders
    ``first`` in which it looks before all others.
    """
    if path is None:
        return UNKNOWN_SOURCE
    root = path.parent
    while (root / "__init__.py").exists() or any(root != folder and root.is_relative_to(folder) for folder in first):
        root = root.parent
    installed = _installed(path)
    if root == Path(__file__).parents[2] or (root == path.parent and installed):
        return _hash_of([path], path.parent)
    found, open_ends = {path}, [path]
    while open_ends:
        file = open_ends.pop()
        new = _imported(file, root, beside=() if installed else (root, path.parent)) - found
        found |= new
        open_ends += new
    return _hash_of(found, root)


def _installed(path: Path) -> bool:
    """Whether a file lies where packages are installed, so that files beside it are other packages."""
    return any(path.is_relative_to(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib"))


def _imported(path: Path, root: Path, beside: tuple[Path, ...]) -> set[Path]:
    """Files of the same package, or in the folders ``beside``, that a module imports, wherever the import stands."""
    package, places = path.relative_to(root).parts[:1] if path.parent != root else (), set()
    names: set[tuple[str, ...]] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            inner = {module, *((*module, alias.name) for alias in node.names)}
            if node.level:
                places |= {Path(*path.parts[: -node.level], *name) for name in inner}
            else:
                names |= inner
    for name in names:
        if name[:1] == package:
            places.add(root.joinpath(*name))
        else:
            places |= {folder.joinpath(*name[:count]) for folder in beside for count in range(1, len(name) + 1)}
    named = [place for place in places if place.name]
    files = [file for place in named for file in (place.with_name(f"{place.name}.py"), place / "__init__.py")]
    return {file for file in files if file.is_relative_to(root) and file.is_file()}


def _nodes(path: Path) -> Iterable[ast.AST]:
    """The syntax of a file; none where it has a mistake, which loading it says."""
    try:
        return ast.walk(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError):
        return ()


def _hash_of(files: Iterable[Path], root: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()
