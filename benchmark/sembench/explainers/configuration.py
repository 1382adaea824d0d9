"""The recipe that a name and some hyper-parameters mean."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, get_type_hints

from sembench.errors import PluginBroken, SembenchError, SuiteInvalid, in_one_line
from sembench.explainers.explainer import Explainer
from sembench.plugins.options import mismatch
from sembench.plugins.registry import EXPLAINERS


def recipe(name: str, parameters: Mapping[str, Any], dataset: str) -> Explainer:
    """An explainer's recipe for a data set.

    Args:
        name: Name in the registry.
        parameters: Hyper-parameters that are not the default; ``preset`` may name a set of them.
        dataset: Name of the data set, which a preset may depend on.

    Raises:
        UnknownName, PluginBroken: If there is no such explainer, or it makes no recipe even of its own defaults.
        SuiteInvalid: If it does not take these hyper-parameters.
    """
    make: Any = EXPLAINERS.get(name)
    given = dict(parameters)
    if isinstance(make, functools.partial):  # a recipe with some of its hyper-parameters settled, such as ``b34``
        make, given = make.func, {**make.keywords, **given}
    configured = getattr(make, "configured", None)
    try:
        made = make(**given) if configured is None else configured(dataset, **given)
    except SembenchError:
        raise
    except Exception as error:
        said = f"{name}: {in_one_line(error)}. Hyper-parameters of {name} are: {_accepted(make)}."
        if parameters:
            raise SuiteInvalid(said) from error
        raise PluginBroken(f"{said} None was given: repair its defaults, or name hyper-parameters.") from error
    if not isinstance(made, Explainer):
        raise PluginBroken(f"{name} makes a {type(made).__name__}, not an Explainer.")
    _require_types(name, made, parameters)
    return made


def json_of(recipe: Explainer) -> dict[str, Any]:
    """A recipe's hyper-parameters as JSON has them: tuples become lists."""
    return dict(plain(recipe.hyperparameters()))


def plain(value: Any) -> Any:
    """A value as JSON has it: tuples become lists."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _require_types(name: str, made: Explainer, parameters: Mapping[str, Any]) -> None:
    """Raises `SuiteInvalid` where a hyper-parameter is not of the type that the recipe annotates, or not finite."""
    try:
        wanted = get_type_hints(type(made), include_extras=True)
    except (NameError, TypeError, AttributeError):  # names that are not there when it runs: nothing can be held
        return
    for option, value in parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SuiteInvalid(f"{name}: the hyper-parameter {option} is {value}; it must be finite.")
        same = option in wanted and getattr(made, option, None) == value  # a base, say, is given in another form
        wrong = mismatch(wanted[option], value) if same else ""
        if wrong:
            raise SuiteInvalid(f"{name}: the hyper-parameter {option} is {value!r}. {wrong}.")


def _accepted(make: Any) -> str:
    """Names of hyper-parameters. The recipe that was asked for cannot be made, so a class is not called again."""
    try:
        whole = isinstance(make, type) and dataclasses.is_dataclass(make)
        names = [field.name for field in dataclasses.fields(make) if field.init] if whole else make().hyperparameters()
    except Exception as error:  # noqa: BLE001 - said after the error that is on its way, not in its place
        return f"not known ({in_one_line(error)})"
    return ", ".join(names) or "none"
