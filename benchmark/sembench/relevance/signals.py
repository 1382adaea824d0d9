"""The operations that carry relevance, and what each hands it to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from sembench.errors import RelevanceUndefined
from sembench.relevance.ranges import ANY, MOVES, Range, inverse, is_bounded, ranges
from sembench.relevance.recording import Recording, inputs_of, name_of, shape_of

JOINS = frozenset({"cat", "stack", "where", "slice_scatter", "select_scatter", "copy", "maximum", "minimum"})
AVERAGES = frozenset({
    "mean", "sum", "avg_pool2d", "_adaptive_avg_pool2d", "upsample_bilinear2d", "_upsample_bilinear2d_aa",
    "upsample_bicubic2d", "_upsample_bicubic2d_aa", "cumsum", "col2im",
})  # fmt: skip
SUMS = frozenset({"add", "sub", "rsub"})
_ELEMENTWISE = frozenset({
    "relu", "hardtanh", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "softplus",
    "tanh", "sigmoid", "hardsigmoid", "clamp", "clamp_min", "clamp_max", "threshold", "abs", "neg", "pow", "sqrt",
    "exp", "log", "log1p", "erf", "log_sigmoid_forward", "_prelu_kernel", "softshrink", "hardshrink",
})  # fmt: skip
_SOFTMAX = frozenset({"_softmax", "_safe_softmax"})
_ACTIVATIONS = frozenset({
    "relu", "leaky_relu", "elu", "gelu", "silu", "mish", "hardswish", "softplus", "clamp", "clamp_min", "threshold",
})  # fmt: skip
_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "logical_and", "logical_or", "logical_not", "sign"})
_EXPONENTIALS = frozenset({"exp", "exp2", "expm1", "sinh", "cosh", "logaddexp"})
_FACTORS = frozenset({"mul", "div"})
_OF_ONE = _ELEMENTWISE | SUMS | _FACTORS | {"rsqrt", "reciprocal"}
_REPEATS = frozenset({"expand", "repeat"})
_LAYERS = frozenset({"convolution", "mm", "bmm"})


@dataclass
class Signals:
    """The way of relevance through a recording.

    Attributes:
        sources: For each operation on the way, what it hands relevance to.
        normalises: Whether the network divides by statistics of the image, or has attention.
        ranges: For each operation the bounds of its values.
    """

    ranges: dict[fx.Node, Range]
    sources: dict[fx.Node, tuple[fx.Node, ...]] = field(default_factory=dict)
    normalises: bool = False


@dataclass(frozen=True)
class Affine:
    """An operation ``scale * x + shift`` with constants."""

    scale: Tensor | float = 1.0
    shift: Tensor | float = 0.0


def follow(recording: Recording) -> Signals:
    """The operations that carry relevance, found from the output back to the images.

    Raises:
        RelevanceUndefined: If one of them has no rule; names it.
    """
    found = Signals(ranges(recording))
    open_ends = [recording.output]
    while open_ends:
        node = open_ends.pop()
        if node is not recording.images and node not in found.sources:
            found.sources[node] = _sources(found, recording, node)
            open_ends += found.sources[node]
    return found


def _sources(found: Signals, recording: Recording, node: fx.Node) -> tuple[fx.Node, ...]:
    """The nodes that an operation hands relevance to."""
    name = name_of(node)
    tensors = [source for source in inputs_of(recording, node) if is_float(source)]
    if not tensors or not is_float(node):
        raise undefined(node, "it turns numbers into positions or truth values, or back")
    if name in MOVES | SUMS or only_restrides(node):
        return tuple(tensors)
    if len(tensors) == 1:
        itself = name == "mul" and node.args[0] is node.args[1]
        if name in AVERAGES | _ELEMENTWISE | _LAYERS or itself or affine(recording, node) is not None:
            return tuple(tensors)
    elif name in _FACTORS:
        return (_signal(found, recording, node, *tensors),)
    elif name == "bmm":
        attention = [_comes_from(recording, n, _SOFTMAX, MOVES | SUMS | AVERAGES | _FACTORS | _LAYERS) for n in tensors]
        if attention[0] != attention[1]:
            found.normalises = True
            return (tensors[attention[0]],)
        raise undefined(node, "a product of two values of the image, of which neither is a weight of attention")
    raise undefined(node)


def _signal(found: Signals, recording: Recording, node: fx.Node, a: fx.Node, b: fx.Node) -> fx.Node:
    """The factor that takes the relevance of a product or quotient; notes whether the other one normalises."""
    quotient = name_of(node) == "div"
    sizes = [_own_size(recording, n) for n in (a, b)]
    limits = [found.ranges.get(n, ANY) for n in (a, b)]
    if quotient:  # a product with the inverse
        limits[1] = inverse(limits[1])
    bounded = [is_bounded(limit) for limit in limits]
    active = [_is_activation(found, recording, n) for n in (a, b)]
    smaller = sizes[0] != sizes[1]
    if smaller:
        gate = int(sizes[1] < sizes[0])
    elif quotient:
        return a
    elif bounded[0] != bounded[1]:
        gate = int(bounded[1])
    elif active[0] != active[1]:
        gate = int(active[1])
    else:
        raise undefined(node, "a product of two values of the image, of which neither is a gate")
    if quotient and gate == 0:
        raise undefined(node, "a quotient whose divisor has more elements than its dividend")
    signal = (a, b)[1 - gate]
    if bounded[gate]:
        return signal
    if _is_exponential(found, recording, [(a, b)[gate]] if smaller else [a, b], sizes[1 - gate] - smaller):
        raise undefined(node, "a gate of exponentials without bounds; write it by sigmoid or softmax")
    found.normalises |= smaller
    return signal


def _is_exponential(found: Signals, recording: Recording, ends: list[fx.Node], size: int) -> bool:
    """Whether exponentials take part in values, up to layers and to what has bounds or more elements than a size."""
    seen = {recording.images}
    while ends:
        node = ends.pop()
        if node in seen or is_layer(recording, node) or is_bounded(found.ranges.get(node, ANY)):
            continue
        if not isinstance(node.meta.get("val"), Tensor) or _own_size(recording, node) > size:
            continue
        seen.add(node)
        if name_of(node) in _EXPONENTIALS or (
            name_of(node) == "pow" and node.args[0] is not inputs_of(recording, node)[0]
        ):
            return True
        ends += inputs_of(recording, node)
    return False


def _own_size(recording: Recording, node: fx.Node) -> int:
    """Number of elements of a value before it was repeated to fit another."""
    smallest, moved = math.prod(shape_of(node)), MOVES
    while node is not recording.images and len(inputs_of(recording, node)) == 1:
        name, (source,) = name_of(node), inputs_of(recording, node)
        if not isinstance(source.meta.get("val"), Tensor) or math.prod(shape_of(source)) > smallest:
            break
        if name in _OF_ONE:
            moved = _REPEATS
        elif name in moved:
            smallest = math.prod(shape_of(source))
        elif name not in MOVES or math.prod(shape_of(source)) < smallest:
            break
        node = source
    return smallest


def _is_activation(found: Signals, recording: Recording, node: fx.Node) -> bool:
    """Whether a value is an activation: by its name, or as a value times a bounded function of it, or where it is."""
    while node is not recording.images:
        name, sources = name_of(node), inputs_of(recording, node)
        if name in _ACTIVATIONS or (name == "maximum" and len(sources) == 1):
            return True
        if len(sources) == 2 and name in ("mul", "where"):
            bounded = [is_bounded(found.ranges.get(source, ANY)) for source in sources]
            a, b = (_origin(recording, source) for source in sources)
            return bounded[0] != bounded[1] and a is b
        if len(sources) != 1 or name not in MOVES | _FACTORS:
            return False
        (node,) = sources
    return False


def _origin(recording: Recording, node: fx.Node) -> fx.Node:
    """What a value is a function of, element by element."""
    through = _ELEMENTWISE | _COMPARISONS | SUMS | _FACTORS
    while node is not recording.images and name_of(node) in through:
        origins = {_origin(recording, source) for source in inputs_of(recording, node)}
        if len(origins) != 1:
            break
        (node,) = origins
    return node


def _comes_from(recording: Recording, node: fx.Node, origins: frozenset[str], through: frozenset[str]) -> bool:
    """Whether all that a value is made of comes from some operations, through others."""
    while node is not recording.images and name_of(node) not in origins:
        sources = inputs_of(recording, node)
        if not sources or name_of(node) not in through:
            return False
        if not all(_comes_from(recording, source, origins, through) for source in sources[1:]):
            return False
        node = sources[0]
    return node is not recording.images


def is_layer(recording: Recording, node: fx.Node) -> bool:
    """Whether an operation is a convolution or linear layer with constant weights."""
    return name_of(node) in _LAYERS and len(inputs_of(recording, node)) == 1


def affine(recording: Recording, node: fx.Node) -> Affine | None:
    """An operation as a scale and a shift by constants; ``None`` if it is something else."""
    name, sources = name_of(node), inputs_of(recording, node)
    if name == "neg":
        return Affine(-1.0)
    if len(sources) != 1 or name not in SUMS | _FACTORS or set(node.kwargs) - {"alpha"}:
        return None
    arguments: list[Any] = list(node.args[:2])
    first = arguments[0] is sources[0]
    if first == (arguments[1] is sources[0]):
        return None
    other = arguments[1 if first else 0]
    other = recording.constants[other] if isinstance(other, fx.Node) else other
    alpha: Any = node.args[2] if len(node.args) > 2 else node.kwargs.get("alpha", 1)
    if name in SUMS:
        x, y = {"add": (1, alpha), "sub": (1, -alpha), "rsub": (-alpha, 1)}[name]
        return Affine(x, other * y) if first else Affine(y, other * x)
    if name == "mul":
        return Affine(other)
    return Affine(1.0 / other) if first else None


def only_restrides(node: fx.Node) -> bool:
    """Whether an operation states the order in memory of a value that it leaves as it is, as average pooling does."""
    if name_of(node) != "as_strided":
        return False
    value, size, stride, *_ = node.args
    before: Tensor = value.meta["val"]  # type: ignore[union-attr]
    same = [n < 2 or a == b for n, a, b in zip(size, stride, before.stride(), strict=False)]  # type: ignore[arg-type]
    return tuple(before.shape) == tuple(size) and all(same)  # type: ignore[arg-type]


def is_float(node: fx.Node) -> bool:
    """Whether a node yields numbers, alone or among others, rather than positions or truth values."""
    value = node.meta.get("val")
    parts = value if isinstance(value, (tuple, list)) else [value]
    return any(isinstance(part, Tensor) and part.is_floating_point() for part in parts)


def undefined(node: fx.Node, why: str = "") -> RelevanceUndefined:
    """The error of an operation without a rule."""
    return RelevanceUndefined(
        f"its step {name_of(node).strip('_')!r} has no rule of relevance" + (f": {why}" if why else "")
    )
