"""What registered metrics and explainers declare, read from their source, since importing their modules loads torch.

Installed packages are read as this repository's modules are. What is written in another way than as constants, members
of classes and keyword arguments is not known, and not compared.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sembench.plugins.registry import EXPLAINERS, METRICS, module_file
from sembench.results.result import Kind
from sembench.results.score import Measure

_MEMBERS = (ast.Assign, ast.AnnAssign)


@dataclass(frozen=True)
class Declared:
    """What results of this installation may say of themselves.

    Attributes:
        measures: By metric, what its numbers mean.
        requires: By metric, the capabilities that it asks for; metrics of optional packages are left out, since they
            may not apply for want of the package.
        kinds: By explainer, what it counts as.
        unread: By metric whose declaration cannot be read, or not all of it, where it stands.
    """

    measures: Mapping[str, Measure]
    requires: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, Kind]
    unread: Mapping[str, str]


class _Unreadable(LookupError):
    """A declaration that running the code alone would tell."""


@lru_cache(maxsize=1)
def declared() -> Declared:
    """The declarations of all entry points that can be read, and the metrics whose declaration cannot."""
    measures, requires, kinds, unread = {}, {}, {}, {}
    for name, point in METRICS.points().items():
        try:
            facts = _arguments(*_find(point.module, point.attr))
            fields = Measure.model_fields.keys() & facts.keys()
            measures[name] = Measure(**{field: _value(*facts[field]) for field in fields})
            if "absent" not in facts:
                requires[name] = tuple(sorted(_value(*facts["requires"])))
        except (_Unreadable, KeyError, TypeError, ValidationError):
            unread[name] = point.value
    for name, point in EXPLAINERS.points().items():
        try:
            kinds[name] = _kind(*_find(point.module, point.attr))
        except _Unreadable:
            continue
    return Declared(measures, requires, kinds, unread)


@cache
def _names(module: str) -> dict[str, Any]:
    """What a module defines at its top level by name: statements, values, and for imported names where they are."""
    try:
        tree = ast.parse(Path(str(module_file(module))).read_text("utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise _Unreadable(module) from error
    names = _members(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.setdefault(node.name, node)
    return names


def _members(node: ast.Module | ast.ClassDef) -> dict[str, Any]:
    """Values that are assigned in the body of a module or class, by name."""
    found: dict[str, Any] = {}
    for member in node.body:
        if isinstance(member, _MEMBERS):
            targets = member.targets if isinstance(member, ast.Assign) else [member.target]
            found |= {target.id: member.value for target in targets if isinstance(target, ast.Name)}
    return found


def _find(module: str, name: str) -> tuple[str, Any]:
    """The module that defines a name, and what stands there; imports are followed."""
    found = _names(module).get(name)
    if isinstance(found, tuple):
        return _find(*found)
    if found is None:
        raise _Unreadable(f"{module}:{name}")
    return module, found


def _arguments(module: str, call: Any) -> dict[str, tuple[str, Any]]:
    """Keyword arguments of ``Metric(...)``, or of a helper that returns one, each with the module it stands in."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise _Unreadable(module)
    given = {word.arg: (module, word.value) for word in call.keywords if word.arg}
    place, made = _find(module, call.func.id)
    if isinstance(made, ast.ClassDef):
        return given
    if not isinstance(made, ast.FunctionDef) or not isinstance(last := made.body[-1], ast.Return):
        raise _Unreadable(module)
    given |= {word.arg: (module, value) for word, value in zip(made.args.args, call.args, strict=False)}
    inner: dict[str, tuple[str, Any]] = {}
    for word in last.value.keywords if isinstance(last.value, ast.Call) else []:
        passed_on = given.get(word.value.id) if isinstance(word.value, ast.Name) else None
        inner[str(word.arg)] = passed_on or (place, word.value)
    return given | inner


def _value(module: str, node: Any) -> Any:
    """A constant: text, a number, or the members of a set."""
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(module, operand)
        case ast.Name():
            return _value(*_find(module, node.id))
        case ast.Attribute(ast.Name(owner), member):
            place, found = _find(module, owner)
            return _value(place, _members(found)[member])
        case ast.JoinedStr():
            return "".join(str(_value(module, part)) for part in node.values)
        case ast.FormattedValue(value, -1, None):
            return _value(module, value)
        case ast.Set() | ast.Tuple() | ast.List():
            return [_value(module, element) for element in node.elts]
        case ast.Call(ast.Name("frozenset"), [*members], []):
            return [value for member in members for value in _value(module, member)]
    raise _Unreadable(ast.dump(node))


def _kind(module: str, recipe: Any) -> Kind:
    """A recipe's ``kind``, its own or that of the first base that has one."""
    if isinstance(recipe, ast.Call) and recipe.args and isinstance(recipe.args[0], ast.Name):
        return _kind(*_find(module, recipe.args[0].id))  # a partial of a recipe
    if not isinstance(recipe, ast.ClassDef):
        raise _Unreadable(module)
    own = _members(recipe).get("kind")
    if own is not None:
        return _value(module, own)  # type: ignore[no-any-return]
    for base in recipe.bases:
        if isinstance(base, ast.Name):
            return _kind(*_find(module, base.id))
    raise _Unreadable(module)
