"""Writes a small package for a new plugin, which works at once, from templates. Imports no torch."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from sembench.errors import NameTaken, SuiteInvalid
from sembench.files import write_atomically
from sembench.plugins.registry import EXPLAINERS, LONGEST_NAME

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new_explainer(name: str, parent: Path) -> list[Path]:
    """Writes a package for an explainer, e.g. ``"class-means"``, into a folder of its own, and returns the files.

    Raises:
        SuiteInvalid: If the name is no name, or the folder is there already.
        NameTaken: If an explainer or a module has the name.
        DiskFull, NotWritable: If the files cannot be written.
    """
    module = name.replace("-", "_")
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or keyword.iskeyword(module):
        raise SuiteInvalid(
            f"{name!r} is no name for an explainer; take lower-case words with hyphens, at most {LONGEST_NAME} "
            "characters: class-means."
        )
    if name in EXPLAINERS.names() or find_spec(module) is not None:
        raise NameTaken(f"{name!r} is the name of an explainer or of a module already; take another one.")
    folder = parent / name
    if folder.exists():
        raise SuiteInvalid(f"{folder} is there already; take another name.")
    values = {"name": name, "module": module, "class": "".join(word.capitalize() for word in name.split("-"))}
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "gitignore": ".gitignore",
        "module.py": f"{module}.py",
        "test_module.py": f"tests/test_{module}.py",
    }
    templates = files("sembench.plugins") / "templates" / "explainer"
    written = []
    for template, place in places.items():
        text = (templates / f"{template}.txt").read_text("utf-8")
        path = folder / place
        write_atomically(path, re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text).encode())
        written.append(path)
    return written
