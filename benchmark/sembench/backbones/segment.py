"""A stretch of a network's graph as a module, whose errors name the step."""

from __future__ import annotations

import functools
import linecache
import traceback
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from sembench.errors import BackboneUnfit, SembenchError, in_one_line


class Segment(fx.GraphModule):
    """A graph module that turns what its steps raise into `BackboneUnfit`; a lack of memory passes."""

    def recompile(self) -> Any:
        """Compiles the graph into ``forward``."""
        code = super().recompile()
        kind: Any = type(self)
        kind.forward = _named(kind.forward)
        return code


def segment(module: fx.GraphModule, steps: Sequence[fx.Node], start: fx.Node, end: fx.Node) -> Segment:
    """The steps after ``start`` up to ``end``, as a module from the one value to the other."""
    graph = fx.Graph()
    known = {start: graph.placeholder("x")}

    def find(node: fx.Node) -> fx.Node:
        if node not in known and node.op == "get_attr":
            known[node] = graph.node_copy(node)
        return known[node]

    for step in steps:
        if step.op not in ("placeholder", "get_attr"):
            known[step] = graph.node_copy(step, find)
    graph.output(known[end])
    return Segment(module, graph)


def _named(forward: Any) -> Any:
    @functools.wraps(forward)
    def named(self: Segment, x: Any) -> Any:
        try:
            return forward(self, x)
        except Exception as error:
            if passes(error):
                raise
            raise BackboneUnfit(failure(f"the network fails at {_step(error)}", x, error)) from error

    return named


def passes(error: Exception) -> bool:
    """Whether an error is no fault of the network's: one of sembench's own, or a lack of memory."""
    lacking = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)
    return lacking or isinstance(error, SembenchError)


def failure(what: str, given: Any, error: Exception) -> str:
    """The sentence on a part of a network that fails, on what input, and what is asked of it."""
    shape = tuple(getattr(given, "shape", ()))
    return (
        f"{what} on an input {shape}: {in_one_line(error)}. A network has to take any number of images, in any memory "
        "format (.reshape instead of .view, .size(0) instead of a number)."
    )


def _step(error: Exception) -> str:
    """The line of the graph's code that an error comes from, or of the module that stays whole."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [linecache.getline(f.filename, f.lineno or 0) for f in frames if "eval_with_key" in f.filename]
    text = lines[-1].split(";")[0].strip() if lines else "a step"
    inner = [f.line for f in frames if "site-packages" not in f.filename and "eval_with_key" not in f.filename]
    return f"{text!r}" + (f" ({inner[-1]})" if inner and inner[-1] and len(inner) > 1 else "")
