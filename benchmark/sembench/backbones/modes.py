"""Training mode in a graph: what a forward pass does with ``self.training`` stays alive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from sembench.backbones.backbone import Backbone
from sembench.errors import BackboneUnfit, in_one_line
from sembench.seeding import isolated, random_states

_ANSWER = "the answer"
_GRADIENT = "the gradient of"
_PARTS = (bool, int, float, str, type(None))


class Mode(nn.Module):
    """A constant of a forward pass that depends on the mode, e.g. ``self.training``."""

    def __init__(self, in_training: Any, otherwise: Any) -> None:
        super().__init__()
        self.in_training = in_training
        self.otherwise = otherwise

    def forward(self) -> Any:
        """The value in the present mode."""
        return self.in_training if self.training else self.otherwise


def differing(evaluation: fx.Graph, training: fx.Graph, called: Set[str]) -> list[str]:
    """Paths of the innermost modules whose steps in training mode are others; ``""`` is the network itself.

    What a module takes from outside itself counts only where no module differs within.

    Args:
        evaluation: The graph in evaluation mode.
        training: That in training mode.
        called: Paths of the modules that are called in both, also if they make no step.
    """
    for within in (True, False):
        mine, other = (_steps_by_module(graph, within) for graph in (evaluation, training))
        both = called | (mine.keys() & other.keys())
        wrong = {_outer(path, both) for path in {*mine, *other} if mine.get(path) != other.get(path)}
        if wrong:
            return sorted(wrong, key=lambda path: (-path.count(".") - bool(path), path))
    return []


def _outer(path: str, known: Set[str]) -> str:
    """The innermost module of those known that a module lies in, itself included."""
    while path and path not in known:
        path = path.rpartition(".")[0]
    return path


def _steps_by_module(graph: fx.Graph, within: bool) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    place: dict[fx.Node, tuple[str, int]] = {}
    for node in graph.nodes:
        stack = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
        if node.op == "call_module":
            stack = stack[:-1]
        for depth in range(len(stack)):
            found[stack[depth]]  # a module without steps of its own is there, too
        path = stack[-1] if stack else ""
        place[node] = path, len(found[path])
        seen = {n: place[n] if not within or place[n][0] == path else ("outside", 0) for n in node.all_input_nodes}
        found[path].append((node.op, node.target, _outline(node.args, seen), _outline(node.kwargs, seen)))
    return found


def _outline(value: Any, place: dict[fx.Node, tuple[str, int]]) -> Any:
    """Arguments without the values of constants, for comparison."""
    if isinstance(value, fx.Node):
        return place[value]
    if isinstance(value, dict):
        return [(key, _outline(item, place)) for key, item in value.items()]
    if isinstance(value, (tuple, list)):
        return [_outline(item, place) for item in value]
    return "constant" if isinstance(value, _PARTS) else repr(value)


def keep_alive(module: fx.GraphModule, training: fx.Graph) -> None:
    """Puts a `Mode` in place of each argument that is another in the graph of training mode; the steps are the same."""
    for node, other in zip(list(module.graph.nodes), list(training.nodes), strict=True):
        node.args = _merged(module, node, node.args, other.args)
        node.kwargs = _merged(module, node, node.kwargs, other.kwargs)
    module.recompile()


def _merged(module: fx.GraphModule, node: fx.Node, mine: Any, other: Any) -> Any:
    if isinstance(mine, dict):
        return {key: _merged(module, node, item, other[key]) for key, item in mine.items()}
    if isinstance(mine, (tuple, list)):
        return type(mine)(_merged(module, node, a, b) for a, b in zip(mine, other, strict=True))
    if not isinstance(mine, _PARTS) or (mine == other and type(mine) is type(other)):
        return mine
    name = next(f"mode_{n}" for n in range(10**6) if not hasattr(module, f"mode_{n}"))
    module.add_submodule(name, Mode(other, mine).eval())
    with module.graph.inserting_before(node):
        made = module.graph.call_module(name)
    made.meta.update(node.meta)
    return made


def training_departure(network: nn.Module, copied: nn.Module, backbone: Backbone, images: Tensor) -> str | None:
    """How the parts differ from the network in training mode, on the same random numbers; ``None``: they do not.

    Args:
        network: The network as given, a copy.
        copied: The module whose parameters and buffers the parts share; both are as before afterwards.
        backbone: The parts.
        images: The probe.
    """
    try:
        expected, own_draws = _after_a_step(network, network, images)
    except Exception as error:  # noqa: BLE001 - the user's code runs here
        return f"in training mode it fails: {in_one_line(error)}"
    try:
        seen, draws = _after_a_step(backbone, copied, images)
    except BackboneUnfit as error:
        return f"in training mode its parts fail: {str(error).rstrip('.')}"
    except RuntimeError as error:
        return f"in training mode its parts fail: {in_one_line(error)}"
    if not _gradients(seen):
        return "in training mode a step in place hinders gradients, and stands in a module that stays whole"
    for stream, state in own_draws.items():  # what was drawn while tracing is a constant of the parts
        if state != draws.get(stream):
            return f"in training mode it draws single random numbers ({stream}), which its parts would not draw again"
    if _gradients(expected) and _gradients(seen):
        for name in sorted(_gradients(expected) ^ _gradients(seen)):
            return f"in training mode, {name} is {'none' if name in seen else 'some'}, and otherwise in its parts"
    for name in sorted(expected.keys() & seen.keys()):  # a buffer that no step uses is missing
        value, other = expected[name], seen[name]
        scale = float(torch.nan_to_num(value).abs().max()) if value.numel() else 0.0
        least = 0.0 if name == _ANSWER else 1e-3  # gradients that should be 0 are rounding errors
        if not torch.allclose(value, other, rtol=1e-3, atol=1e-4 * max(scale, least), equal_nan=True):
            return f"in training mode, {name} of its parts differs from its own"
    return None


def _gradients(seen: dict[str, Tensor]) -> set[str]:
    return {name for name in seen if name.startswith(_GRADIENT)}


def _after_a_step(network: nn.Module, owner: nn.Module, images: Tensor) -> tuple[dict[str, Tensor], dict[str, bytes]]:
    """Logits, gradients and buffers after a pass in training mode, and the random streams that it has drawn from.

    Modes and values are restored.
    """
    before = {name: value.detach().clone() for name, value in [*owner.named_buffers(), *owner.named_parameters()]}
    wanted = {parameter: parameter.requires_grad for parameter in owner.parameters()}
    network.train()
    try:
        with isolated(0), torch.enable_grad():
            owner.requires_grad_(True)
            streams = random_states(network)
            logits = network(images.clone())
            draws = {name: state for name, state in random_states(network).items() if state != streams[name]}
            if not isinstance(logits, Tensor):
                raise BackboneUnfit(f"it answers with {type(logits).__name__}")
            loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
            try:
                loss.backward()
            except RuntimeError as error:
                if "inplace operation" not in str(error):  # steps in place that hinder gradients are replaced
                    raise
                owner.zero_grad()
        seen = {_ANSWER: logits.detach()}
        seen |= {f"{_GRADIENT} {n}": p.grad.detach().clone() for n, p in owner.named_parameters() if p.grad is not None}
        return seen | {n: b.detach().clone() for n, b in owner.named_buffers() if n in before}, draws
    finally:
        network.eval()
        for name, value in [*owner.named_buffers(), *owner.named_parameters()]:
            if name in before:
                with torch.no_grad():
                    value.copy_(before[name])
        for parameter, required in wanted.items():
            parameter.requires_grad_(required)
            parameter.grad = None
