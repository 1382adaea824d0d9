"""Feature maps in what the blocks of a network hand on: maps, maps with channels last, or tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["map", "channels last", "tokens"]


@dataclass(frozen=True)
class View:
    """Where the feature map ``(B, D, h, w)`` stands in the output of a block.

    Attributes:
        layout: ``"map"``: it is the map. ``"channels last"``: ``(B, h, w, D)``. ``"tokens"``: ``(B, N, D)``, cells row
            by row, with tokens of no place (of the class, registers) before or behind them.
        height: Rows of cells, ``h``.
        width: Columns of cells, ``w``.
        before: Tokens before those of the cells.
        behind: Tokens behind them.
    """

    layout: Layout = "map"
    height: int = 0
    width: int = 0
    before: int = 0
    behind: int = 0

    def map(self, output: Tensor) -> Tensor:
        """The feature map ``(B, D, h, w)`` in a block's output.

        Examples:
            >>> tokens = torch.arange(5.0).view(1, 5, 1)  # the first is the class's
            >>> View("tokens", 2, 2, before=1).map(tokens).tolist()
            [[[[1.0, 2.0], [3.0, 4.0]]]]
        """
        if self.layout == "map":
            return output
        if self.layout == "channels last":
            return output.permute(0, 3, 1, 2)
        cells = output[:, self.before : output.shape[1] - self.behind]
        return cells.transpose(1, 2).reshape(len(cells), -1, self.height, self.width)

    def output(self, features: Tensor) -> Tensor:
        """The block's output that holds a feature map; tokens of no place are 0.

        Examples:
            >>> View("tokens", 1, 2, before=1).output(torch.tensor([[[[3.0, 4.0]]]])).flatten().tolist()
            [0.0, 3.0, 4.0]
        """
        if self.layout == "map":
            return features
        if self.layout == "channels last":
            return features.permute(0, 2, 3, 1)
        cells = features.flatten(2).transpose(1, 2)
        size, _, channels = cells.shape
        return torch.cat(
            [cells.new_zeros(size, self.before, channels), cells, cells.new_zeros(size, self.behind, channels)], 1
        )
