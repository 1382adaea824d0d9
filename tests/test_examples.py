"""The examples in docstrings of the pure functions run, and no public one of them lacks an example."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import torch

import sembench.metrics
import sembench.relevance

INSIDE = (sembench.metrics, sembench.relevance)
MODULES = [
    *sorted(
        f"{package.__name__}.{module.name}" for package in INSIDE for module in pkgutil.iter_modules(package.__path__)
    ),
    "sembench.similarity",
    "sembench.evaluation.perturbation",
]
MACHINERY = {  # they read models, networks, recordings and registries, or change them
    "sembench.metrics.applicability", "sembench.metrics.metric", "sembench.metrics.scoring",
    "sembench.relevance.canonisation", "sembench.relevance.layers", "sembench.relevance.ranges",
    "sembench.relevance.recording",
    "sembench.relevance.signals", "sembench.relevance.steps",
}  # fmt: skip
EXCEPTED = {"examine"}  # changes a backbone


def public_functions(module):
    """The functions that a module defines under a public name."""
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            yield name, function


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_say_what_comes_out(name):
    if name.endswith("quantus_maps"):
        pytest.importorskip("quantus")
    if name.endswith("fallback"):
        pytest.importorskip("captum")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.FAIL_FAST)
    assert failed == 0


@pytest.mark.parametrize("name", sorted({*MODULES} - MACHINERY))
def test_every_public_function_has_an_example(name):
    functions = dict(public_functions(importlib.import_module(name)))
    assert [
        name
        for name, found in functions.items()
        if "\n    Examples:\n        >>> " not in (found.__doc__ or "") and name not in EXCEPTED
    ] == []


def test_the_functions_that_need_examples_are_found():
    found = {name for module in MODULES for name, _ in public_functions(importlib.import_module(module))}
    assert {"accuracy", "ghosting", "relevance_kl", "relevance_order_curve", "distances", "prp", "propagate"} <= found
