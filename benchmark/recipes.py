"""Which recipe is meant by a name and some hyper-parameters? One place knows how recipes are made of settings."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from benchmark.errors import SuiteInvalid
from benchmark.explainer import Explainer
from benchmark.registry import EXPLAINERS


def recipe(name: str, parameters: Mapping[str, Any], dataset: str) -> Explainer:
    """An explainer's recipe for a data set.

    Args:
        name: Name in the registry.
        parameters: Hyper-parameters that are not the default; ``preset`` may name a set of them.
        dataset: Name of the data set, which a preset may depend on.

    Raises:
        UnknownName, PluginBroken: If there is no such explainer.
        SuiteInvalid: If it does not take these hyper-parameters.
    """
    make: Any = EXPLAINERS.get(name)
    given = dict(parameters)
    if isinstance(make, functools.partial):  # a recipe with some of its hyper-parameters settled, such as ``b34``
        make, given = make.func, {**make.keywords, **given}
    configured = getattr(make, "configured", None)
    try:
        made = make(**given) if configured is None else configured(dataset, **given)
    except TypeError as error:
        accepted = ", ".join(make().hyperparameters()) or "none"
        raise SuiteInvalid(f"{name}: {error}. Hyper-parameters of {name} are: {accepted}.") from error
    if not isinstance(made, Explainer):
        raise SuiteInvalid(f"{name} makes a {type(made).__name__}, not an Explainer.")
    return made
