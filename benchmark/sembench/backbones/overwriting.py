"""Steps in place become assignments: feature maps that were given out never change afterwards."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from sembench.errors import BackboneUnfit, in_one_line

OPERATORS: dict[Any, Any] = {
    getattr(operator, f"i{name}"): getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift")
} | {operator.iand: operator.and_, operator.ior: operator.or_, operator.ixor: operator.xor}


_TORCH = "torch.nn.modules."


class OnACopy(nn.Module):
    """A step that overwrites one of its inputs, made to overwrite a copy of it.

    Args:
        step: The function or module.
        place: Position or name of the overwritten argument.
    """

    def __init__(self, step: Callable[..., Any], place: int | str) -> None:
        super().__init__()
        self.step = step
        self.place = place

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The step's answer, or the overwritten copy where it gives none."""
        given: Any = dict(kwargs) if isinstance(self.place, str) else list(args)
        given[self.place] = copy = given[self.place].clone()
        result = self.step(*args, **given) if isinstance(self.place, str) else self.step(*given, **kwargs)
        return copy if result is None else result


class Watch(fx.Interpreter):
    """Runs a graph and keeps what each step gives, and which of its inputs each step overwrites."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.overwritten: dict[fx.Node, list[fx.Node]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Runs one step."""
        inputs = [(node, t, t._version) for node in n.all_input_nodes for t in tensors(self.env[node])]
        value = super().run_node(n)
        changed = list(dict.fromkeys(node for node, t, version in inputs if t._version != version))
        if changed:
            self.overwritten[n] = changed
        return value


def watched(module: fx.GraphModule, images: Tensor) -> Watch:
    """The graph's run on a clone of the images, without gradients. Raises `BackboneUnfit` where a step fails."""
    watch = Watch(module)
    try:
        with torch.no_grad():
            watch.run(images.clone())
    except Exception as error:
        raise BackboneUnfit(
            f"the steps of the network cannot be repeated one by one: {in_one_line(error)}. Move code that looks at "
            "its arguments into a submodule, which then stays whole."
        ) from error
    return watch


def tensors(value: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [t for item in items for t in tensors(item)]


def overwrite_nothing(module: fx.GraphModule, images: Tensor) -> None:
    """Replaces each step in place by one that is not; later steps take its result in place of what it overwrote.

    Args:
        module: The graph, which changes.
        images: The probe; which values share memory is seen on it.

    Raises:
        BackboneUnfit: If a step overwrites a part of a value that is used later, or a weight.
    """
    watch = watched(module, images)
    order = {node: place for place, node in enumerate(module.graph.nodes)}
    places = {node: _place(module, node, watch.overwritten.get(node, [])) for node in order}
    for node, place in places.items():
        if place is None:
            continue
        target = node.kwargs[place] if isinstance(place, str) else node.args[place]
        if not isinstance(target, fx.Node):
            continue
        if target.op == "get_attr":
            raise BackboneUnfit(
                f"{said(node)} overwrites {target.target}: the network keeps state between calls. Take that out."
            )
        yields = _same(watch.env[node], watch.env[target]) or node.target is operator.setitem
        if yields:
            watch.env[node] = watch.env[target]  # setting items gives nothing by itself
        _redirect(node, target, yields, watch, order)
        _make_functional(module, node, place)
    module.graph.lint()
    module.recompile()
    for node in watched(module, images).overwritten:
        raise BackboneUnfit(
            f"{said(node)} overwrites what it takes, in a way that cannot be followed. Let it make a new tensor."
        )


def _redirect(node: fx.Node, target: fx.Node, yields: bool, watch: Watch, order: dict[fx.Node, int]) -> None:
    """Lets later steps take the result where they took the overwritten value, under whatever name."""
    memory = {t.untyped_storage().data_ptr() for t in tensors(watch.env[target])}
    for other in [n for n in order if order[n] < order[node]]:
        later = [user for user in other.users if order[user] > order[node]]
        shared = any(t.untyped_storage().data_ptr() in memory for t in tensors(watch.env.get(other)))
        if not later or not shared or _puts_back(min(later, key=order.__getitem__), node, target, other):
            continue
        if not yields or not _same(watch.env[other], watch.env[target]):
            raise BackboneUnfit(
                f"{said(node)} works in place, on {target.name}, and changes {other.name} with it, which "
                f"{said(later[0])} uses later. Write it as an assignment: x = ..., without inplace, trailing "
                "underscore or slices on the left."
            )
        for user in later:
            user.replace_input_with(other, node)


def _puts_back(user: fx.Node, node: fx.Node, part: fx.Node, whole: fx.Node) -> bool:
    """Whether the next use of a value puts the result of a step in place on a part of it there: ``x[i] *= 2``."""
    taken = part.target is operator.getitem and part.args
    return user.target is operator.setitem and user.args[2] is node and user.args[:2] == taken and taken[0] is whole


def _same(a: Any, b: Any) -> bool:
    """Whether two values are one tensor, element by element."""
    return (
        isinstance(a, Tensor)
        and isinstance(b, Tensor)
        and a.data_ptr() == b.data_ptr()
        and (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype)
    )


def _place(module: fx.GraphModule, node: fx.Node, changed: list[fx.Node]) -> int | str | None:
    """Where the argument stands that a step overwrites; ``None`` if there is none."""
    if node.op not in ("call_function", "call_method", "call_module"):
        return None
    if isinstance(node.kwargs.get("out"), fx.Node):
        return "out"
    named = _ends_in_place(node) or node.target in OPERATORS or node.target is operator.setitem
    declared = _flag(node) or (node.op == "call_module" and _torch_inplace(module.get_submodule(str(node.target))))
    if named or declared or (changed and node.args and node.args[0] in changed):
        # `detach_`, `requires_grad_` and sizes with `+=` overwrite nothing
        if named and not changed and not _twin(node):
            return None
        return 0 if node.args else "input" if "input" in node.kwargs else next(iter(node.kwargs), None)
    places: list[tuple[int | str, object]] = [*enumerate(node.args), *node.kwargs.items()]
    for place, argument in places:
        if argument in changed:
            return place
    return None


def _ends_in_place(node: fx.Node) -> bool:
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op != "call_module" and name.endswith("_") and not name.endswith("__")


def _flag(node: fx.Node) -> dict[str, Any] | None:
    """All arguments of a function by name, if it is called with ``inplace=True``, however that is written."""
    if node.op != "call_function":
        return None
    try:
        signature = inspect.signature(node.target)  # type: ignore[arg-type]
        bound = signature.bind(*node.args, **node.kwargs).arguments
    except (TypeError, ValueError):
        return None
    return bound if bound.get("inplace") is True else None


def _torch_inplace(part: nn.Module) -> bool:
    return getattr(part, "inplace", None) is True and type(part).__module__.startswith(_TORCH)


def _twin(node: fx.Node) -> Any:
    """The operation without its trailing underscore or leading i; ``None`` if there is none."""
    if node.op == "call_method":
        return callable(getattr(Tensor, str(node.target)[:-1], None)) and str(node.target)[:-1]
    if node.target in OPERATORS:
        return OPERATORS[node.target]
    name = getattr(node.target, "__name__", "")
    return getattr(F, name[:-1], None) or getattr(torch, name[:-1], None) if name.endswith("_") else None


def _make_functional(module: fx.GraphModule, node: fx.Node, place: int | str) -> None:
    flagged = _flag(node)
    if place == "out":
        node.kwargs = {name: value for name, value in node.kwargs.items() if name != "out"}
    elif flagged is not None and "args" not in flagged and "kwargs" not in flagged:
        node.args, node.kwargs = (), {**flagged, "inplace": False}
        first = next(iter(flagged))
        node.args, node.kwargs = (flagged[first],), {k: v for k, v in node.kwargs.items() if k != first}
    elif node.op == "call_module" and type(module.get_submodule(str(node.target))).__module__.startswith(_TORCH):
        module.get_submodule(str(node.target)).inplace = False  # type: ignore[assignment]
    elif _twin(node) and (node.target in OPERATORS or _ends_in_place(node)):
        node.target = _twin(node)
    else:
        _put_on_a_copy(module, node, place)


def _put_on_a_copy(module: fx.GraphModule, node: fx.Node, place: int | str) -> None:
    step: Any = node.target
    if node.op == "call_method":
        step = getattr(Tensor, str(node.target))
    if node.op == "call_module":
        step = module.get_submodule(str(node.target))
    name = f"{node.name}_on_a_copy"
    module.add_submodule(name, OnACopy(step, place))
    node.op, node.target = "call_module", name


def said(node: fx.Node) -> str:
    """A step in words: what it calls, and the module that it stands in."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.name)
    stack = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return f"{name!r}" + (f" in {stack[-1]!r}" if stack and stack[-1] != name else "")
