"""Figures of a suite's cells into a folder: models from the cache or made anew, pictures as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmark.figures.catalogue import draw
from benchmark.plan import Cell
from benchmark.workbench import Exhibit, exhibits

_NAMED = 3  # explainers that a file name lists


class Gallery:
    """Draws cells.

    Args:
        cache: Store of trained backbones and fitted models.
        data_root: Folder of data sets.
        device: Where models go.
        out: Folder for pictures; they go to ``<out>/<suite>/<data set>/seed-<n>/<figure>-<explainers>``.
        say: Told what takes time, what was written, and why a figure does not apply.
    """

    def __init__(self, cache: Path, data_root: Path, device: str, out: Path, say: Callable[[object], None]) -> None:
        self.cache, self.data_root, self.device, self.out, self.say = cache, data_root, device, out, say

    def show(
        self, figure: str, cells: Sequence[Cell], *, every_seed: bool, apart: bool = False, **options: Any
    ) -> list[Path]:
        """Writes a figure of these cells, one for each data set and seed.

        Args:
            figure: Its name.
            cells: The cells, grouped by data set and seed, as `benchmark.plan.plan` returns them.
            every_seed: Whether to draw all seeds, or the first one on each data set.
            apart: Whether each explainer has a picture of its own.
            **options: Those of the figure.

        Returns:
            The files; none where the figure applies to none of the explainers.

        Raises:
            SembenchError: If a model cannot be made, or the figure does not take the options.
        """
        files: list[Path] = []
        seen: set[str] = set()
        for (dataset, seed), group in groupby(cells, key=lambda cell: (cell.dataset, cell.seed)):
            own = list(group)
            if dataset in seen and not every_seed:
                continue
            seen.add(dataset)
            found = exhibits(own, self.cache, self.data_root, self.device, self.say)
            folder = self.out / own[0].suite / dataset / f"seed-{seed}"
            for some in [[one] for one in found] if apart else [found]:
                files += self._draw(figure, some, folder, options)
        return files

    def _draw(self, figure: str, found: Sequence[Exhibit], folder: Path, options: dict[str, Any]) -> list[Path]:
        drawn, files = draw(figure, found, **options), []
        for reason in drawn.reasons.values():
            self.say(reason)
        for names, picture in drawn.pictures.items():
            who = f"{len(names)}-explainers" if len(names) > _NAMED else "-".join(names)
            files += picture.write_files(folder, f"{figure}-{who}")
        for file in files:
            self.say(file)
        return files
