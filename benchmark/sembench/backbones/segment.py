"""A stretch of a network's graph as a module, whose errors name the step."""

from __future__ import annotations

import functools
import linecache
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.backbones.overwriting import said, tensors
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
        except SembenchError:
            raise
        except Exception as error:
            if lacks_memory(error):
                raise
            raise BackboneUnfit(failure(f"the network fails at {_step(error)}", x, error)) from error

    return named


def lacks_memory(error: Exception) -> bool:
    """Whether an error says that there is no memory left, which is no fault of the network."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)


def failure(what: str, given: Any, error: Exception) -> str:
    """The sentence on a part of a network that fails, on what input, and what is asked of it."""
    shape = tuple(getattr(given, "shape", ()))
    return (
        f"{what} on an input {shape}: {in_one_line(error)}. A network has to take any number of images, in any memory "
        "format (.reshape instead of .view, .size(0) instead of a number)."
    )


class _Backward(fx.Interpreter):
    """Runs a segment and goes back to the images after each step."""

    def __init__(self, part: Segment, images: Tensor) -> None:
        super().__init__(part)
        self.extra_traceback = False  # it would stand in the message
        self.images = images

    def run_node(self, n: fx.Node) -> Any:
        """Runs one step, and back from it. Raises `BackboneUnfit` if that fails."""
        value = super().run_node(n)
        _require_gradient(f"the step {said(n)}", value, self.images)
        return value


def _require_gradient(name: str, value: Any, images: Tensor) -> None:
    for tensor in tensors(value):
        if tensor.requires_grad:
            try:
                torch.autograd.grad(tensor.sum(), images, retain_graph=True, allow_unused=True)
            except RuntimeError as error:
                raise BackboneUnfit(
                    f"no gradient goes back through {name}: {in_one_line(error)}. Explanations need one: write it "
                    "with steps that have a derivative, and without steps in place."
                ) from error


def require_gradients(parts: Iterable[tuple[str, nn.Module]], images: Tensor) -> None:
    """Raises `BackboneUnfit` that names the first step, or part, through which no gradient goes back to the images.

    Costs a backward pass for each step, so that it is for networks of which the gradient has failed.
    """
    value: Any = images
    for name, part in parts:
        value = _Backward(part, images).run(value) if isinstance(part, Segment) else part(value)
        _require_gradient(name, value, images)


def _step(error: Exception) -> str:
    """The line of the graph's code that an error comes from, or of the module that stays whole."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [linecache.getline(f.filename, f.lineno or 0) for f in frames if "eval_with_key" in f.filename]
    text = lines[-1].split(";")[0].strip() if lines else "a step"
    inner = [f.line for f in frames if "site-packages" not in f.filename and "eval_with_key" not in f.filename]
    return f"{text!r}" + (f" ({inner[-1]})" if inner and inner[-1] and len(inner) > 1 else "")
