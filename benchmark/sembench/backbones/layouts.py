"""Finds where feature maps stand in the values of a network's graph: maps, maps with channels last, or tokens."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from sembench.backbones.overwriting import watched
from sembench.backbones.tracing import Trace
from sembench.backbones.views import View
from sembench.seeding import generator

_OTHERS = 8
"""Tokens of no place that are joined at once, at most: of the class, of distillation, registers."""

_CLEAR = 1.5
"""Factor by which one reading of a value has to explain a change better than the usual one."""

Views = dict[fx.Node, View]


def feature_maps(trace: Trace) -> Views:
    """Where a feature map stands in the values of a network, for each value that holds one.

    Tokens are those of the cells of the last map before them, with at most eight others that were joined to them.
    """
    layouts = _Layouts(trace)
    passed = set(cuts_of(trace.module.graph))
    grid: tuple[int, int] | None = None
    before = behind = 0
    for node in trace.module.graph.nodes:
        shape = shape_of(node)
        if shape is None or node.op in ("placeholder", "get_attr", "output"):
            continue
        if len(shape) == 4:
            view = layouts.of_four(node, grid)
            if view is not None:
                layouts.views[node] = view
                if node in passed or isinstance(called_by(trace.module, node), nn.Conv2d):  # not the heads of attention
                    grid, before, behind = (view.height, view.width), 0, 0
        elif len(shape) == 3 and grid is not None:
            if node.target is torch.cat:
                before, behind = _joined(node, math.prod(grid), before, behind)
            view = layouts.of_three(node, grid, before, behind)
            if view is not None:
                layouts.views[node] = view
    return layouts.views


def cuts_of(graph: fx.Graph) -> list[fx.Node]:
    """The steps that everything passes through: nothing computed before them is used after them."""
    nodes = [node for node in graph.nodes if node.op not in ("get_attr", "output")]
    place = {node: index for index, node in enumerate(graph.nodes)}
    cuts, furthest = [], -1
    for node in nodes:
        if node.op != "placeholder" and furthest <= place[node]:
            cuts.append(node)
        furthest = max([furthest, *(place[user] for user in node.users)])
    return cuts


def called_by(module: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a step calls, if it calls one."""
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape of the tensor that a step yields; ``None`` if it yields none."""
    shape: tuple[int, ...] | None = node.meta.get("shape")
    return shape


def tensors_of(node: fx.Node) -> list[fx.Node]:
    """The tensors that a step takes; not the sizes."""
    return [source for source in node.all_input_nodes if shape_of(source) is not None]


def _joined(node: fx.Node, cells: int, before: int, behind: int) -> tuple[int, int]:
    """Numbers of tokens before and behind those of the cells, after tokens have been joined."""
    lengths = [(shape_of(part) or (0, 0))[1] for part in tensors_of(node)]
    at = [place for place, length in enumerate(lengths) if length in (cells, cells + before + behind)]
    if not at or (shape_of(node) or (0, 0))[1] - cells > _OTHERS + before + behind:
        return before, behind
    had = (before, behind) if lengths[at[-1]] != cells else (0, 0)
    return had[0] + sum(lengths[: at[-1]]), had[1] + sum(lengths[at[-1] + 1 :])


class _Layouts:
    """Reads layouts off shapes; where a shape has two readings, off what a change of one cell before it changes."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.views: Views = {}
        self.place = {node: place for place, node in enumerate(trace.module.graph.nodes)}

    def of_four(self, node: fx.Node, grid: tuple[int, int] | None) -> View | None:
        """Where the map stands in a value of four dimensions; ``None`` if it seems to be none, e.g. windows of cells.

        Cells are as many in both directions, since images are squares, unless they are those of a map before.
        """
        _, first, second, third = shape_of(node) or (0, 0, 0, 0)
        if isinstance(called_by(self.trace.module, node), nn.Conv2d):
            return View("map", second, third)
        direct = next((n for n in tensors_of(node) if n in self.views and len(shape_of(n) or ()) == 4), None)
        source = direct or self._source(node)
        if source is None:
            return None
        near = self._view(source)
        options: dict[View | None, int] = {}
        for layout, height, width, channels in (("map", second, third, 1), ("channels last", first, second, 3)):
            if height == width or (height, width) == (near.height, near.width):
                options[View(layout, height, width)] = channels  # type: ignore[arg-type]
        usual = next((view for view in options if view and view.layout == near.layout), next(iter(options), None))
        view = self._likeliest(node, source, options, usual)
        if view is not None and direct is None and grid is not None and grid[0] % view.height:
            return None
        return view

    def of_three(self, node: fx.Node, grid: tuple[int, int], before: int, behind: int) -> View | None:
        """Where the cells stand among tokens ``(B, N, D)``; ``None`` if it holds none, e.g. channels before cells."""
        cells, source = math.prod(grid), self._source(node)
        lengths = [length - cells for length in (shape_of(node) or ())[1:]]
        if lengths[0] not in (0, before + behind) or cells == 1 or source is None:
            return None
        view = View("tokens", *grid, *((before, behind) if lengths[0] else (0, 0)))
        if lengths[1] not in (0, before + behind):
            return view
        same = [n for n in tensors_of(node) if shape_of(n) == shape_of(node)]
        usual = None if same and same[0] not in self.views else view
        return self._likeliest(node, source, {view: 2, None: 1}, usual)

    def _view(self, node: fx.Node) -> View:
        """Where the map stands in a value that holds one; images are maps."""
        return self.views[node] if node in self.views else View("map", *(shape_of(node) or ())[2:])

    def _source(self, node: fx.Node) -> fx.Node | None:
        """The last value that holds a map among those that a step comes from; images are one."""
        found, seen, reached = [], {node}, [node]
        while reached:
            for source in reached.pop().all_input_nodes:
                if source in self.views or source.op == "placeholder":
                    found.append(source)
                elif source not in seen:
                    seen.add(source)
                    reached.append(source)
        return max(found, key=self.place.__getitem__, default=None)

    def _likeliest(
        self, node: fx.Node, source: fx.Node, options: dict[View | None, int], usual: View | None
    ) -> View | None:
        """The reading by which the change of one cell changes one cell the most, rather than parts of many.

        Args:
            node: The value.
            source: A value before it that holds a map.
            options: For each reading, the dimension of the channels.
            usual: The reading where the change does not tell.
        """
        if len(options) < 2:
            return usual
        change = self._change(source, node)
        if float(change.sum()) == 0:
            return usual
        sums = {view: change.sum((0, channels)) for view, channels in options.items()}
        peaks = {view: float(by_place.max() / by_place.sum()) for view, by_place in sums.items()}
        best = max(peaks, key=peaks.__getitem__)
        return best if peaks[best] > _CLEAR * peaks[usual] else usual

    @cached_property
    def _values(self) -> dict[fx.Node, Any]:
        return watched(self.trace.module, self.trace.probe).env

    def _change(self, source: fx.Node, node: fx.Node) -> Tensor:
        """Squares of what changes in a value when all channels of one cell of a map before it change."""
        value, view = self._values[source], self._view(source)
        nudge = torch.zeros_like(view.map(value))
        cell = nudge[:, :, view.height // 2, view.width // 2]
        signs = torch.randn(cell.shape, generator=generator(0, "layout")).sign().to(cell)
        cell.copy_(signs * (value.std() if value.std() > 0 else 1))
        run = fx.Interpreter(self.trace.module, garbage_collect_values=False)
        run.env = {step: self._values[step] for step, place in self.place.items() if place < self.place[source]}
        run.env[source] = value + view.output(nudge)
        with torch.no_grad():
            for step, place in self.place.items():
                if self.place[source] < place <= self.place[node]:
                    run.env[step] = run.run_node(step)
        return torch.nan_to_num(run.env[node] - self._values[node], 0, 0, 0).double().square()
