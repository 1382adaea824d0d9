"""The library's modules as text: where they are, and what their docstrings say."""

import ast

from places import ROOT

PACKAGES = ("benchmark/sembench", "baselines/sembench_baselines", "leaderboard/sembench_leaderboard")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def relative(path):
    """A path as it is named in the repository."""
    return path.relative_to(ROOT).as_posix()


def docstrings(tree):
    """The docstrings of a module's tree, each with the name of what it describes."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)) is not None:
            yield getattr(node, "name", "module"), text
