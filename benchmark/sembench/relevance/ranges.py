"""Bounds of the values of a recording, whatever the image: what tells a gate from a statistic of the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, fx

from sembench.relevance.recording import Recording, name_of, shape_of

Range = tuple[float, float]

MOVES = frozenset({
    "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "t", "transpose", "expand", "squeeze",
    "unsqueeze", "slice", "select", "split", "split_with_sizes", "unsafe_split", "unbind", "getitem", "cat",
    "stack", "clone", "alias", "detach", "_to_copy", "lift_fresh_copy", "constant_pad_nd", "reflection_pad2d",
    "replication_pad2d", "roll", "flip", "index", "index_select", "gather", "repeat", "slice_scatter",
    "select_scatter", "copy", "masked_fill", "where", "pixel_shuffle", "pixel_unshuffle", "native_channel_shuffle",
    "upsample_nearest2d", "_upsample_nearest_exact2d", "max_pool2d_with_indices", "adaptive_max_pool2d", "amax",
    "amin", "max", "min", "topk", "sort", "maximum", "minimum", "im2col", "unfold", "diagonal",
})  # fmt: skip
"""Operations that take each value from one place or another."""

_INF = math.inf
ANY: Range = (-_INF, _INF)
_LEAST = 0.1  # a divisor that may be smaller only avoids a division by 0, as the epsilon of a normalisation does

_TRUTHS = ("eq", "ne", "gt", "ge", "lt", "le", "logical_and", "logical_or", "logical_not")
_KNOWN: dict[str, Range] = {
    "sigmoid": (0, 1), "hardsigmoid": (0, 1), "_softmax": (0, 1), "_safe_softmax": (0, 1), "erfc": (0, 2),
    "tanh": (-1, 1), "erf": (-1, 1), "sin": (-1, 1), "cos": (-1, 1), "sign": (-1, 1), "atan": (-2, 2),
    "var": (0, _INF), "std": (0, _INF), "linalg_vector_norm": (0, _INF), "softplus": (0, _INF),
    "log_sigmoid_forward": (-_INF, 0), **dict.fromkeys(_TRUTHS, (0, 1)),
}  # fmt: skip
_RISING: dict[str, Callable[[float], float]] = {
    "relu": lambda v: max(v, 0.0),
    "exp": lambda v: math.exp(v) if v < 700 else _INF,
    "exp2": lambda v: 2**v if v < 1000 else _INF,
    "expm1": lambda v: math.expm1(v) if v < 700 else _INF,
    "log": lambda v: math.log(v) if v > 0 else -_INF,
    "log1p": lambda v: math.log1p(v) if v > -1 else -_INF,
    "sqrt": lambda v: math.sqrt(max(v, 0.0)),
}
_WITH_ZERO = frozenset({"avg_pool2d", "constant_pad_nd", "im2col", "masked_fill", "where"})
_WITHIN = (MOVES - _WITH_ZERO - {"maximum", "minimum"}) | {  # between the smallest and the largest
    "as_strided", "mean", "_adaptive_avg_pool2d", "upsample_bilinear2d", "_upsample_bilinear2d_aa",
}  # fmt: skip
_ADDED = frozenset({"sum", "cumsum", "col2im"})


def ranges(recording: Recording) -> dict[fx.Node, Range]:
    """The smallest and the largest value that each operation can give, as far as that can be told."""
    found: dict[fx.Node, Range] = {}

    def of(argument: Any) -> Range:
        if isinstance(argument, (tuple, list)):
            return _hull([of(item) for item in argument])
        if isinstance(argument, fx.Node) and argument in recording.constants:
            argument = recording.constants[argument]
        if isinstance(argument, Tensor):
            ordered = argument.numel() > 0 and not argument.is_complex()
            return (float(argument.min()), float(argument.max())) if ordered else ANY
        if isinstance(argument, (bool, int, float)):
            return (float(argument), float(argument))
        return found.get(argument, ANY) if isinstance(argument, fx.Node) else ANY

    for node in recording.graph.nodes:
        if node.op == "call_function" and node not in recording.constants:
            low, high = _range(node, of)
            found[node] = ANY if math.isnan(low) or math.isnan(high) else (low, high)
    return found


def is_bounded(limits: Range) -> bool:
    """Whether both bounds are finite.

    Examples:
        >>> is_bounded((0, 1)), is_bounded(inverse((1, ANY[1]))), is_bounded(inverse((1e-5, 1)))
        (True, True, False)
    """
    return math.isfinite(limits[0]) and math.isfinite(limits[1])


def _range(node: fx.Node, of: Callable[[Any], Range]) -> Range:
    name, given = name_of(node), node.args
    if name in _KNOWN:
        return _KNOWN[name]
    if name in _RISING:
        low, high = of(given[0])
        return _RISING[name](low), _RISING[name](high)
    if name in _WITHIN:
        return _hull([of(source) for source in node.all_input_nodes])
    if name in _WITH_ZERO:
        filled = given[2] if name in ("constant_pad_nd", "masked_fill", "where") and len(given) > 2 else 0
        return _hull([(0, 0), of(filled), *(of(source) for source in node.all_input_nodes)])
    if name in _ADDED:
        low, high = of(given[0])
        count = math.prod(shape_of(node.all_input_nodes[0]))
        return min(low, low * count), max(high, high * count)
    if name in ("upsample_bicubic2d", "_upsample_bicubic2d_aa"):  # swings over by less than its input
        return _product(of(given[0]), (-2, 2))
    if name in ("maximum", "minimum", "clamp", "clamp_min", "clamp_max", "hardtanh"):
        return _clamped(node, of)
    if name in ("add", "sub", "rsub", "mul", "div", "neg", "abs", "pow", "reciprocal", "rsqrt"):
        return _computed(node, of)
    return ANY


def _hull(parts: list[Range]) -> Range:
    return min((low for low, _ in parts), default=-_INF), max((high for _, high in parts), default=_INF)


def _clamped(node: fx.Node, of: Callable[[Any], Range]) -> Range:
    name, given = name_of(node), [*node.args, None, None]
    ends = {"hardtanh": (-1, 1)}.get(name, (node.kwargs.get("min"), node.kwargs.get("max")))
    least, most = (given[i] if given[i] is not None else ends[i - 1] for i in (1, 2))
    if name in ("minimum", "clamp_max"):
        least, most = None, given[1] if given[1] is not None else most
    if name == "maximum":
        most = None
    low, high = of(given[0])
    if least is not None:
        low, high = max(low, of(least)[0]), max(high, of(least)[1])
    if most is not None:
        low, high = min(low, of(most)[0]), min(high, of(most)[1])
    return low, high


def _computed(node: fx.Node, of: Callable[[Any], Range]) -> Range:
    name, given = name_of(node), node.args
    a, b = of(given[0]), of(given[1]) if len(given) > 1 else ANY
    if name == "neg":
        return -a[1], -a[0]
    if name == "abs":
        return _size(a)
    if name == "reciprocal":
        return inverse(a)
    if name == "rsqrt":
        return inverse((math.sqrt(max(a[0], 0)), math.sqrt(max(a[1], 0))))
    if name == "pow":
        return _power(a, b)
    if name == "mul":
        return _power(a, (2, 2)) if given[0] is given[1] else _product(a, b)
    if name == "div":
        return _product(a, inverse(b))
    alpha = of(given[2] if len(given) > 2 else node.kwargs.get("alpha", 1))
    if name == "rsub":
        a, b = b, a
    b = _product(b, alpha)
    return (a[0] + b[0], a[1] + b[1]) if name == "add" else (a[0] - b[1], a[1] - b[0])


def _size(a: Range) -> Range:
    least = 0.0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))
    return least, max(abs(a[0]), abs(a[1]))


def _product(a: Range, b: Range) -> Range:
    ends = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(ends), max(ends)


def inverse(a: Range) -> Range:
    """Bounds of ``1 / x``; a number near 0, as an epsilon is, is no bound from below."""
    if a[1] < 0:
        low, high = inverse((-a[1], -a[0]))
        return -high, -low
    if a[0] < 0:
        return ANY
    return 1 / a[1] if a[1] > 0 else _INF, 1 / a[0] if a[0] >= _LEAST else _INF


def _power(base: Range, exponent: Range) -> Range:
    """Of a base to a fixed exponent, or of a positive number to any."""
    if exponent[0] != exponent[1]:
        return (0, _INF) if base[0] > 0 else ANY
    if exponent[0] < 0:
        return inverse(_power(base, (-exponent[0], -exponent[0])))
    low, high = base if exponent[0] % 2 == 1 else _size(base)
    return _signed_power(low, exponent[0]), _signed_power(high, exponent[0])


def _signed_power(value: float, exponent: float) -> float:
    return math.copysign(_INF if abs(value) > 1e9 else abs(value) ** exponent, value)
