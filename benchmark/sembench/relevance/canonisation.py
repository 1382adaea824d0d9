"""The canonical form of a recorded network: every operation between the images and the output has a rule.

    operation                              rule
    convolution; linear layer on cells     ``ZPlus``
    linear layer on vectors                ``Epsilon``
    the first of these                     ``Flat``
    depthwise convolution                  in proportion to the sizes of contributions, `sembench.relevance.steps.Sizes`
    scale and shift after one of these     merged into it: batch norm, however it is written
    scale and shift elsewhere              passes on what it gets, element by element [ours]
    activation, or another function of     passes on what it gets
    each element
    sum, difference                        in proportion to the summands
    product of a signal and a gate         all to the signal ([Arras]); the gate has fewer elements, or else has bounds
                                           whatever the image, as a sigmoid has, or else comes from an activation
    quotient                               all to the dividend: a product with the inverse as the gate
    attention                              in proportion to the values; the weights of attention are a gate
    average, sum of cells, interpolation   in proportion
    maximum, and what moves values only    to where the value comes from

A network that divides by statistics of the image (layer norm, group norm, normalised vectors) or has attention is
*self-normalising*: its values have both signs everywhere, and ``ZPlus`` on them means little. There every linear step
but the first shares in proportion to contributions, and constants (biases, tokens, embeddings of positions) take their
part [ours]. With a deviation, a gate or a weight of attention taken as constant the network is linear there, so that
the sum over pixels and constants is what was put on the output.
"""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, fx
from zennit.core import BasicHook
from zennit.rules import Epsilon, Flat, ZPlus

from sembench.backbones.overwriting import tensors
from sembench.backbones.segment import lacks_memory
from sembench.errors import in_one_line
from sembench.relevance.layers import is_average, is_taken_in, layer_of, merge, on_vectors
from sembench.relevance.ranges import MOVES
from sembench.relevance.recording import Recording, inputs_of, name_of
from sembench.relevance.signals import (
    AVERAGES,
    JOINS,
    SUMS,
    Affine,
    Signals,
    affine,
    follow,
    is_float,
    is_layer,
    only_restrides,
    undefined,
)
from sembench.relevance.steps import SLIGHT, STABILISER, Depthwise, Sizes, add, in_proportion, pass_on, stabilised

Bias = Literal["share", "zero"]
Step = Callable[..., Any]

_RESHAPES = ("view", "_unsafe_view", "_reshape_alias", "reshape")
_COPIES = ("_to_copy", "detach", "alias")


@dataclass
class Canonical:
    """A network of steps with rules, which computes what was recorded.

    Attributes:
        recording: What was recorded.
        signals: The way of relevance through it.
        bias: Whether biases take part of the relevance.
        steps: What computes each operation, in order.
        merged: Scales and shifts that layers have taken in.
        constants: The constants that take part in sums with values of the image.
        rules: The rules on layers.
    """

    recording: Recording
    signals: Signals
    bias: Bias
    steps: dict[fx.Node, Step] = field(default_factory=dict)
    merged: set[fx.Node] = field(default_factory=set)
    constants: list[Tensor] = field(default_factory=list)
    rules: list[BasicHook] = field(default_factory=list)

    @property
    def least(self) -> float:
        """The stabiliser of proportions, see `sembench.relevance.steps.stabilised`."""
        return SLIGHT if self.signals.normalises else STABILISER

    def __call__(self, images: Tensor) -> Tensor:
        """The output, through which relevance is carried by ``torch.autograd.grad``."""
        values: dict[fx.Node, Any] = {self.recording.images: images}
        for node, step, sources, used_up in self._plan:
            try:
                values[node] = step(*(values[source] for source in sources))
            except RuntimeError as error:
                raise _said(error, node) from error
            for source in used_up:
                del values[source]
        return values[self.recording.output]  # type: ignore[no-any-return]

    def back(self, value: Tensor, images: Tensor, start: Tensor) -> list[Tensor]:
        """Carries relevance from the output of a pass to the images and to each constant.

        Raises:
            RelevanceUndefined: If PyTorch does not go back through a step; names it.
        """
        try:
            return list(_carried(value, [images, *self.constants], start))
        except RuntimeError as error:
            raise _said(error, self._first_without_way_back(images)) from error

    def _first_without_way_back(self, images: Tensor) -> fx.Node:
        values: dict[fx.Node, Any] = {self.recording.images: images}
        for node, step, sources, _ in self._plan:
            values[node] = step(*(values[source] for source in sources))
            try:
                for part in tensors(values[node]):
                    if part.requires_grad:
                        _carried(part, [images], torch.zeros_like(part), keep=True)
            except RuntimeError:
                return node
        return self.recording.output

    @cached_property
    def _plan(self) -> list[tuple[fx.Node, Step, list[fx.Node], list[fx.Node]]]:
        """For each step its node, what it takes, and what no later step takes."""
        taken = {node: inputs_of(self.recording, node) for node in self.steps}
        last_use = {source: node for node, sources in taken.items() for source in sources}
        last_use[self.recording.output] = self.recording.output
        return [
            (node, step, taken[node], [source for source in taken[node] if last_use[source] is node])
            for node, step in self.steps.items()
        ]

    def constant(self, value: Tensor) -> Tensor:
        """A constant that takes its part of relevance."""
        self.constants.append(value.detach().clone().requires_grad_())
        return self.constants[-1]

    def forget(self) -> None:
        """Lets go of the values that rules have kept of the last images."""
        for rule in self.rules:
            rule.stored_tensors.clear()


def canonise(recording: Recording, bias: Bias) -> Canonical:
    """The canonical form of a recording.

    Raises:
        RelevanceUndefined: If an operation between the images and the output has no rule; names it.
    """
    made = Canonical(recording, follow(recording), bias)
    behind_layers: set[fx.Node] = set()
    averaged: set[fx.Node] = set()
    for node in recording.graph.nodes:
        if node.op != "call_function" or node in recording.constants or not (node.users or node is recording.output):
            continue
        if node not in made.signals.sources:
            made.steps[node] = _without_relevance(_as_called(recording, node))
            continue
        sources = made.signals.sources[node]
        first = behind_layers.isdisjoint(sources)
        if is_layer(recording, node) or not first:
            behind_layers.add(node)
        if is_average(node) or averaged.issuperset(sources):
            averaged.add(node)
        made.steps[node] = _same if node in made.merged else _step(made, node, first, node in averaged)
    return made


def _step(made: Canonical, node: fx.Node, first: bool, averaged: bool) -> Step:
    """What computes an operation that carries relevance, by its rule."""
    recording, name = made.recording, name_of(node)
    scaled = affine(recording, node)
    if is_layer(recording, node):
        return _layer(made, node, first, averaged)
    if scaled is not None:
        return _scale_and_shift(made, scaled)
    if name in SUMS:
        return _sum(made, node)
    if name in _COPIES or is_taken_in(recording, node):
        return _same
    if name in _RESHAPES:
        return lambda value: value.reshape(node.args[1])  # a recorded view relies on the order in memory
    if name in MOVES or only_restrides(node):
        return _move(made, node)
    called, sources = _as_called(recording, node), inputs_of(recording, node)
    place = sources.index(made.signals.sources[node][0])

    def compute(*values: Any) -> Tensor:
        def of_signal(signal: Tensor) -> Tensor:
            gates = [value.detach() for value in values]
            return called(*gates[:place], signal, *gates[place + 1 :])  # type: ignore[no-any-return]

        if name in AVERAGES or name == "bmm":
            return in_proportion(of_signal, values[place], made.least)
        return pass_on(of_signal, values[place])

    return compute


def _layer(made: Canonical, node: fx.Node, first: bool, averaged: bool) -> Step:
    """A convolution or linear layer with its rule, and with what is merged into it."""
    layer = layer_of(made.recording, node)
    if layer is None:
        mixing = _as_called(made.recording, node)
        return lambda x: in_proportion(mixing, x, made.least)
    if made.signals.normalises and not first:
        bias, layer.bias = layer.bias, None
        if bias is None:
            return lambda x: in_proportion(layer, x, made.least)
        constant = made.constant(bias.view(-1, *[1] * (layer.weight.ndim - 2)))
        return lambda x: add(in_proportion(layer, x, made.least), constant, made.least)
    if first or not made.signals.normalises:
        made.merged |= merge(made.recording, made.signals, node, layer)
    zero = ["bias"] if made.bias == "zero" else None
    rule: BasicHook
    if first:
        rule = Flat(stabilizer=stabilised)
    elif isinstance(layer, Depthwise):
        rule = Sizes()
    elif on_vectors(made.recording, node, layer, averaged):
        rule = Epsilon(epsilon=stabilised, zero_params=zero)
    else:
        rule = ZPlus(stabilizer=stabilised, zero_params=zero)
    rule.register(layer)
    made.rules.append(rule)
    return layer  # type: ignore[no-any-return]


def _scale_and_shift(made: Canonical, affine: Affine) -> Step:
    """A scale and a shift that no layer has taken in."""
    scale, shift = affine.scale, affine.shift
    if not made.signals.normalises or (not isinstance(shift, Tensor) and shift == 0):
        return lambda x: pass_on(lambda value: value * scale + shift, x)
    like = made.recording.value
    constant = made.constant(torch.as_tensor(shift, dtype=like.dtype, device=like.device))
    return lambda x: add(pass_on(lambda value: value * scale, x), constant, made.least)


def _sum(made: Canonical, node: fx.Node) -> Step:
    """A sum or difference of two values of the image."""
    alpha: Any = node.args[2] if len(node.args) > 2 else node.kwargs.get("alpha", 1)
    x, y = {"add": (1, alpha), "sub": (1, -alpha), "rsub": (-alpha, 1)}[name_of(node)]
    if node.args[0] is node.args[1]:
        return lambda value: pass_on(lambda v: v * (x + y), value)
    return lambda a, b: add(_times(a, x), _times(b, y), made.least)


def _times(value: Tensor, factor: float) -> Tensor:
    return value if factor == 1 else pass_on(lambda v: v * factor, value)


def _move(made: Canonical, node: fx.Node) -> Step:
    """A step that moves values, beside constants of the network (a class token, say), which take their part."""
    constants = made.recording.constants
    beside = {
        source: made.constant(constants[source])
        for source in node.all_input_nodes
        if name_of(node) in JOINS and source in constants and is_float(source)
    }
    return _as_called(made.recording, node, beside)


def _as_called(recording: Recording, node: fx.Node, beside: Mapping[fx.Node, Tensor] | None = None) -> Step:
    """An operation as a function of the nodes that depend on the images."""
    if only_restrides(node):
        return _same
    sources = inputs_of(recording, node)
    constants = ChainMap(dict(beside or {}), recording.constants)

    def call(*values: Any) -> Any:
        given = dict(zip(sources, values, strict=True))
        arguments, options = fx.map_arg((node.args, node.kwargs), lambda n: given[n] if n in given else constants[n])
        return node.target(*arguments, **options)  # type: ignore[operator]

    return call


def _without_relevance(called: Step) -> Step:
    """A computation that takes no relevance: of a gate, or of weights of attention."""
    return functools.partial(_called_without_gradients, called)


def _called_without_gradients(called: Step, *values: Any) -> Any:
    with torch.no_grad():
        return called(*values)


def _carried(value: Tensor, ends: list[Tensor], start: Tensor, *, keep: bool = False) -> tuple[Tensor, ...]:
    return torch.autograd.grad(
        value, ends, grad_outputs=start, allow_unused=True, materialize_grads=True, retain_graph=keep
    )


def _said(error: RuntimeError, node: fx.Node) -> Exception:
    """An error of PyTorch as one that names the step; a lack of memory as it is."""
    return error if lacks_memory(error) else undefined(node, in_one_line(error))


def _same(value: Tensor) -> Tensor:
    return value
