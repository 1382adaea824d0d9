"""Functions that refuse a traced value, recorded as steps: ``len``, ``int``, ``float``, and those that make tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch
from torch import fx, nn

_FACTORIES = ("arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros")


class _Recorded(type):
    """A class that stands for another, but records the conversion of a traced value as a step."""

    kind: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _recorded(cls.kind)(*args, **kwargs)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.kind)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.kind)


class _Int(int, metaclass=_Recorded):
    kind = int


class _Float(float, metaclass=_Recorded):
    kind = float


@contextmanager
def recorded(network: nn.Module) -> Iterator[None]:
    """Context in which the forward passes of a network's modules record calls of these functions."""
    patches: list[tuple[dict[str, Any], str, Any]] = [
        (vars(torch), name, _recorded(getattr(torch, name))) for name in _FACTORIES
    ]
    builtin = {"len": _recorded(len), "int": _Int, "float": _Float}
    for kind in {kind for part in network.modules() for kind in type(part).__mro__}:
        if not kind.__module__.startswith("torch."):
            written = [method for method in vars(kind).values() if isinstance(method, FunctionType)]
            patches += [
                (f.__globals__, n, builtin[n]) for f in written for n in builtin.keys() & {*f.__code__.co_names}
            ]
    before = [(table, name, table[name]) for table, name, _ in patches if name in table]
    try:
        for table, name, value in patches:
            table[name] = value
        yield
    finally:
        for table, name, _ in patches:
            table.pop(name, None)
        for table, name, value in before:
            table[name] = value


def _proxies(value: Any) -> Iterator[fx.Proxy]:
    if isinstance(value, fx.Proxy):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _proxies(item)


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def record(*args: Any, **kwargs: Any) -> Any:
        found: list[fx.Proxy] = []
        fx.node.map_aggregate(
            (args, kwargs), lambda value: found.append(value) if isinstance(value, fx.Proxy) else None
        )
        if found:
            return found[0].tracer.create_proxy("call_function", function, args, kwargs)
        return function(*args, **kwargs)

    return record
