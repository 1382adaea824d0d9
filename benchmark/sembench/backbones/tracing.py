"""A network's forward pass as a graph, by torch.fx, with the shapes of all values."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.backbones.copying import answer, copied, require_stateless, without_observers
from sembench.backbones.modes import differing, keep_alive
from sembench.backbones.overwriting import OPERATORS, Watch, overwrite_nothing, watched
from sembench.backbones.recording import recorded
from sembench.backbones.sizes import length, size_condition, take_sizes_near
from sembench.errors import BackboneUnfit, first_line
from sembench.seeding import generator


class Trace:
    """The graph of a network's forward pass, alive in both modes.

    A module whose code branches on values or shapes cannot be traced; it stays whole, as one step, and is listed. So
    does one whose steps in training mode are others. Steps in place are replaced, see
    `sembench.backbones.overwriting.overwrite_nothing`.

    Args:
        network: The user's module; a copy is traced, the module itself does not change.
        image_size: Height and width of the images that shapes are measured with.

    Attributes:
        original: A copy of the module, in evaluation mode, that the graph shares nothing with.
        module: Another as a graph module, with the shape of every value under ``node.meta["shape"]``.
        outputs: The step that yields the output of each submodule, by the submodule's name.
        opaque: Names of the modules that stay whole, and why.
        logits: The network's output for the probe images, ``(2, C)``.
        notes: Sentences on what is not as in the user's module.
        untrainable: Why the graph is not the network in training mode; ``None``: it is.

    Raises:
        BackboneUnfit: If the network cannot be traced, or does not take such images.
    """

    def __init__(self, network: nn.Module, image_size: int) -> None:
        self.image_size = image_size
        self.opaque: dict[str, str] = {}
        self._own = {""}  # modules that yield the network's answer, whose code counts as its own
        self.notes: list[str] = []
        self.untrainable: str | None = None
        self.outputs: dict[str, fx.Node] = {}
        made = copied(network, self.notes)
        self.probe = probe_images(2, image_size).to(next((p.device for p in made.parameters()), "cpu"))
        self.logits = answer(made, self.probe)
        if bool(torch.isfinite(self.logits).all()):
            require_stateless(made, self.probe, self.logits)
        made = without_observers(made, self.probe, self.logits)
        self.original = copy.deepcopy(made)
        self._follow(made)
        overwrite_nothing(self.module, self.probe)
        more = probe_images(3, image_size).to(self.probe.device)
        take_sizes_near(self.module, watched(self.module, self.probe), watched(self.module, more), self._other_sizes)
        values = watched(self.module, self.probe).env
        for node in self.module.graph.nodes:
            value = values[node] if node.op != "output" else None
            node.meta["shape"] = tuple(value.shape) if isinstance(value, Tensor) else None

    def _follow(self, network: nn.Module) -> None:
        """Traces in both modes, until their steps are the same but for modules that stay whole."""
        while True:
            training, reason = self._graph(network.train()) if self.untrainable is None else (None, None)
            called = set(self.outputs)
            graph, failed = self._graph(network.eval())
            if graph is None:
                raise BackboneUnfit(
                    f"the forward pass of {type(network).__name__} cannot be followed: {failed}. Its own forward must "
                    "be a fixed sequence of steps, without branches or loops on values or sizes; move other code into "
                    "a submodule, which then stays whole."
                )
            (output,) = (node for node in graph.nodes if node.op == "output")
            answering = str(getattr(output.args[0], "target", ""))
            if answering in self.opaque and answering not in self._own:  # a module around the network
                self._own.add(answering)
                self.opaque.pop(answering)
                continue
            if training is None:
                self.untrainable = self.untrainable or f"in training mode it cannot be followed: {reason}"
                self.module = fx.GraphModule(network, graph)
                return
            other = differing(graph, training, called & self.outputs.keys())
            if not other:
                self.module = fx.GraphModule(network, graph)
                keep_alive(self.module, training)
                return
            if other[0] and self.outputs.get(other[0]) is not output.args[0]:
                self.opaque[other[0]] = "its steps in training mode are others"
            else:
                whose = f"the forward of {other[0]!r}" if other[0] else "its own forward"
                self.untrainable = f"{whose} takes other steps in training mode"

    def _graph(self, network: nn.Module) -> tuple[fx.Graph | None, str | None]:
        kept = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
        try:
            return self._traced(network)
        finally:
            for buffer, value in kept:  # what code counts while it is traced is no pass
                buffer.data.copy_(value)

    def _traced(self, network: nn.Module) -> tuple[fx.Graph | None, str | None]:
        decisions: list[bool | int] = []
        while True:
            tracer = _Tracer(self.opaque, self._own, decisions)
            try:
                with recorded(network):
                    graph = tracer.trace(network)
            except _CannotLookInto as stop:
                self.opaque[stop.path] = stop.reason
            except _Undecided as stop:
                known = stop.what(network, stop.graph, stop.node, self._sizes())
                why = "it branches on values, or on sizes in a way that depends on the image's"
                if known is not None:
                    decisions.append(known)
                elif stop.path:
                    self.opaque[stop.path] = why
                    decisions.clear()
                else:
                    return None, why
            except Exception as error:  # noqa: BLE001 - the user's code runs here
                return None, _first_line(error)
            else:
                self.outputs = tracer.outputs
                _name_alike(network, graph)
                return graph, None

    def _other_sizes(self) -> list[Watch]:
        """Runs on images of other sizes; none if the network does not take them."""
        images = [probe_images(2, size).to(self.probe.device) for size in (self.image_size + 1, 2 * self.image_size)]
        try:
            return [watched(self.module, given) for given in images]
        except BackboneUnfit:
            return []

    def _sizes(self) -> list[Tensor]:
        """Images of several numbers and sizes."""
        s = self.image_size
        kinds = ((2, s), (1, s), (3, s), (2, s + 1), (2, 2 * s))
        return [probe_images(count, size).to(self.probe.device) for count, size in kinds]

    def name(self, node: fx.Node) -> str:
        """The outermost submodule whose output a step yields; the step's own name where there is none."""
        return min((path for path, end in self.outputs.items() if end is node), key=_level, default=node.name)

    def depth(self, node: fx.Node) -> int:
        """Number of modules that a step lies within, itself included; an output of several counts for the outermost."""
        inside = len(node.meta.get("nn_module_stack", ())) + (node.op != "call_module")
        return min([inside, *(_level(path) for path, end in self.outputs.items() if end is node)])


def _name_alike(network: nn.Module, graph: fx.Graph) -> None:
    """Lets tensors that a forward pass makes each time it is traced have one name if they are equal."""
    made = {name: value for name, value in vars(network).items() if name.startswith("_tensor_constant")}
    for node in graph.nodes:
        if node.op == "get_attr" and node.target in made:
            mine = made[node.target]
            same = (name for name, value in made.items() if value.dtype == mine.dtype and torch.equal(value, mine))
            node.target = next(same, node.target)


def _level(path: str) -> int:
    return path.count(".") + 1


class _CannotLookInto(Exception):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path)
        self.path = path
        self.reason = reason


class _Undecided(Exception):
    """A question on a value on which the steps depend; ``what`` answers it, if all images have one answer."""

    def __init__(self, path: str, graph: fx.Graph, node: fx.Node, what: Callable[..., bool | int | None]) -> None:
        super().__init__(path)
        self.path = path
        self.graph = graph
        self.node = node
        self.what = what


class _Unmeasured(fx.Proxy):
    """A value whose items can be unpacked without its length, which is not known."""

    def __len__(self) -> int:
        raise TypeError("the length of a value is taken where it cannot be followed")


class _Attribute(_Unmeasured, fx.proxy.Attribute):
    """An attribute of a value, as its shape."""


class _Value(_Unmeasured):
    """A value that is overwritten by ``x[...] = v`` and ``x += v``, which then are steps."""

    def __getattr__(self, k: str) -> _Attribute:
        return _Attribute(self, k)

    def __setitem__(self, place: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, place, value), {})


def _in_place(step: Any) -> Any:
    def write(self: _Value, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", step, (self, other), {})

    return write


for _step in OPERATORS:
    setattr(_Value, f"__{_step.__name__}__", _in_place(_step))


class _Tracer(fx.Tracer):
    """Traces into every module that has submodules, or own code without weights; others are steps, as opaque ones."""

    def __init__(self, opaque: dict[str, str], own: Set[str], decisions: Sequence[bool | int]) -> None:
        super().__init__()
        self.opaque = opaque
        self.own = own
        self.decisions = list(decisions)
        self.outputs: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if module_qualified_name in self.opaque or super().is_leaf_module(m, module_qualified_name):
            return True
        return next(m.children(), None) is None and next(iter(m.state_dict(keep_vars=True)), None) is not None

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """The network is called with the images alone; other arguments take their defaults."""
        return root_fn, [self.root, self.create_proxy("placeholder", "x", (), {})]

    def to_bool(self, obj: fx.Proxy) -> bool:
        """The decision on a condition of the network's own forward; submodules with conditions stay whole."""
        if self._inside() not in self.own:
            return super().to_bool(obj)
        return bool(self._decided(obj.node, size_condition))

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """The items of a shape, where the network's own forward unpacks it: their number is that of dimensions."""
        if self._inside() not in self.own:
            return super().iter(obj)
        step = operator.getitem
        return (self.create_proxy("call_function", step, (obj, n), {}) for n in range(self._decided(obj.node, length)))

    def _inside(self) -> str:
        """Path of the module whose code runs at present."""
        return next(reversed(self.module_stack.values()), ("", None))[0]

    def _decided(self, node: fx.Node, what: Callable[..., Any]) -> Any:
        if not self.decisions:
            raise _Undecided(self._inside(), self.graph, node, what)
        return self.decisions.pop(0)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Value(node, self)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        path = self.path_of_module(m)
        try:
            result = super().call_module(m, forward, args, kwargs)
        except (_CannotLookInto, _Undecided):
            raise
        except Exception as error:
            raise _CannotLookInto(path, _first_line(error)) from error
        if isinstance(result, fx.Proxy):
            self.outputs[path] = result.node
        return result


def probe_images(count: int, image_size: int) -> Tensor:
    """White noise ``(count, 3, H, W)``, always the same, on which a network's structure is measured."""
    return torch.randn(
        count, 3, image_size, image_size, dtype=torch.float32, generator=generator(0, "probe", image_size)
    )


def _first_line(error: Exception) -> str:
    return first_line(error).rstrip(".") or type(error).__name__
