"""A network's forward pass as a graph, by torch.fx, with the shapes of all values."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.errors import BackboneUnfit
from sembench.seeding import generator

# Operations that overwrite their input, and their equivalents that do not.
_IN_PLACE: dict[Any, Any] = {
    operator.iadd: operator.add, operator.imul: operator.mul, operator.isub: operator.sub,
    operator.itruediv: operator.truediv, torch.relu_: torch.relu, "relu_": "relu", "add_": "add", "mul_": "mul",
    "sub_": "sub", "div_": "div", "clamp_": "clamp",
}  # fmt: skip


class Trace:
    """The graph of a network's forward pass in evaluation mode.

    A module whose code branches on values or shapes cannot be traced; it stays whole, as one step, and is listed.

    Args:
        network: The user's module; a copy is traced, the module itself does not change.
        image_size: Height and width of the images that shapes are measured with.

    Attributes:
        module: The copy as a graph module, with the shape of every value under ``node.meta["shape"]``.
        outputs: The step that yields the output of each submodule, by the submodule's name.
        opaque: Names of the modules that stay whole, and why.
        logits: The network's output for the probe images, ``(2, C)``.

    Raises:
        BackboneUnfit: If the network cannot be traced, or does not take such images.
    """

    def __init__(self, network: nn.Module, image_size: int) -> None:
        self.image_size = image_size
        self.opaque: dict[str, str] = {}
        copied = copy.deepcopy(network).eval()
        self.probe = probe_images(2, image_size).to(next((p.device for p in copied.parameters()), "cpu"))
        self.logits = _answer(copied, self.probe)
        for part in copied.modules():
            if getattr(part, "inplace", False) is True:
                part.inplace = False  # type: ignore[assignment]
        while True:
            tracer = _Tracer(self.opaque)
            try:
                graph = tracer.trace(copied)
                break
            except _CannotLookInto as stop:
                self.opaque[stop.path] = stop.reason
            except Exception as error:
                raise BackboneUnfit(
                    f"the forward pass of {type(network).__name__} cannot be followed: {_first_line(error)}. Its own "
                    "forward must not branch on values or shapes; move such code into a submodule, which then stays "
                    "whole."
                ) from error
        self.module = fx.GraphModule(copied, graph)
        _overwrite_nothing(graph)
        self.module.recompile()
        self.outputs = tracer.outputs
        with torch.no_grad():
            _Shapes(self.module).run(self.probe)

    def name(self, node: fx.Node) -> str:
        """The outermost submodule whose output a step yields; the step's own name where there is none."""
        return min((path for path, end in self.outputs.items() if end is node), key=_level, default=node.name)

    def depth(self, node: fx.Node) -> int:
        """Number of modules that a step lies within, itself included; an output of several counts for the outermost."""
        inside = len(node.meta.get("nn_module_stack", ())) + (node.op != "call_module")
        return min([inside, *(_level(path) for path, end in self.outputs.items() if end is node)])


def _level(path: str) -> int:
    return path.count(".") + 1


class _CannotLookInto(Exception):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path)
        self.path = path
        self.reason = reason


class _Tracer(fx.Tracer):
    """Traces into every module that has submodules; those without are steps, and so are the opaque ones."""

    def __init__(self, opaque: dict[str, str]) -> None:
        super().__init__()
        self.opaque = opaque
        self.outputs: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        childless = next(m.children(), None) is None
        return childless or module_qualified_name in self.opaque or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        path = self.path_of_module(m)
        try:
            result = super().call_module(m, forward, args, kwargs)
        except _CannotLookInto:
            raise
        except Exception as error:
            raise _CannotLookInto(path, _first_line(error)) from error
        if isinstance(result, fx.Proxy):
            self.outputs[path] = result.node
        return result


class _Shapes(fx.Interpreter):
    """Runs a graph and notes the shape of every tensor."""

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        n.meta["shape"] = tuple(value.shape) if isinstance(value, Tensor) else None
        return value


def probe_images(count: int, image_size: int) -> Tensor:
    """White noise ``(count, 3, H, W)``, always the same, on which a network's structure is measured."""
    return torch.randn(count, 3, image_size, image_size, generator=generator(0, "probe", image_size))


def _answer(network: nn.Module, images: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            logits = network(images)
    except Exception as error:
        raise BackboneUnfit(
            f"{type(network).__name__} does not take images of {tuple(images.shape[1:])}: {_first_line(error)}. Name "
            "the size that it takes."
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        seen = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise BackboneUnfit(
            f"{type(network).__name__} answers to images with {seen}; logits (B, C) are needed. Return them alone, "
            "e.g. from a small module around it."
        )
    return logits


def _overwrite_nothing(graph: fx.Graph) -> None:
    """Replaces steps in place, which would change feature maps that explainers hold."""
    for node in graph.nodes:
        if node.op in ("call_function", "call_method"):
            node.target = _IN_PLACE.get(node.target, node.target)
            if node.kwargs.get("inplace"):
                node.kwargs = {**node.kwargs, "inplace": False}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
