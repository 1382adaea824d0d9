"""Figures on a canvas measured in inches, in a style of their own, rendered to the same bytes every time."""

from __future__ import annotations

import functools
import io
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from sembench.figures.fonts import choose_fonts
from sembench.files import write_atomically

# Whatever the user's matplotlibrc says: the same bytes, and names are never read as formulas.
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "text.parse_math": False, "svg.hashsalt": "sembench", "image.composite_image": False,
    "image.interpolation": "nearest", "image.resample": False, "legend.frameon": False,
}  # fmt: skip

INK = "#333333"
BLUE, VERMILLION = "#0072B2", "#D55E00"  # of Okabe and Ito's palette: told apart with any colour vision
LINE = 0.17  # height of a line of text, inches
_LETTER = 0.068  # width of a letter of the caption, inches
_MARGIN = 0.15
_DPI = 150

P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Runs a drawing function in this module's style; the user's settings are as they were afterwards."""

    @functools.wraps(draw)
    def inside(*args: P.args, **options: P.kwargs) -> R:
        with style.context(["default", STYLE]):
            return draw(*args, **options)

    return inside


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    """A place in inches from the lower left corner of a figure, as shares of the figure for its ``add_axes``."""
    across, down = figure.get_size_inches()
    return left / across, bottom / down, width / across, height / down


def rendered(
    figure: Figure, form: str, *, widest: int = 2000, compression: int = 6, drawn_by: str | None = None
) -> bytes:
    """A figure as ``"png"`` or ``"svg"``, without dates: one figure, the same bytes.

    A PNG is at most ``widest`` pixels wide, with fewer dots per inch if need be, and compressed from 1 (quick) to 9
    (small); ``drawn_by`` names the software in the file.
    """
    if not isinstance(figure.canvas, FigureCanvasAgg):
        FigureCanvasAgg(figure)
    choose_fonts(figure)
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")  # said already, and once
        if form == "png":
            figure.savefig(
                content,
                format="png",
                dpi=min(_DPI, widest / figure.get_figwidth()),
                metadata={"Software": drawn_by},
                pil_kwargs={"compress_level": compression},
            )
        else:
            figure.savefig(content, format=form, metadata={"Date": None, "Creator": drawn_by})
    return content.getvalue()


class Picture(Figure):
    """A Matplotlib figure with a title on top, a caption at the bottom, and a canvas between, measured in inches.

    The canvas starts at the upper left corner of what lies between title and caption; y runs down. A notebook shows
    the picture as it is.

    Args:
        width: Width of the canvas, inches.
        height: Height of the canvas, inches.
        title: Printed on top, wrapped.
        caption: Paragraphs printed at the bottom, wrapped.
    """

    def __init__(self, width: float, height: float, title: str, caption: list[str]) -> None:
        width = max(width + 2 * _MARGIN, 5.6)
        letters = int((width - 2 * _MARGIN) / _LETTER)
        head = textwrap.wrap(title, int((width - 2 * _MARGIN) / 0.105))
        foot = [line for text in caption for line in textwrap.wrap(text, letters, break_on_hyphens=False)]
        self.above = 0.2 + 0.24 * len(head)
        whole = self.above + height + 1.5 * _MARGIN + LINE * len(foot)
        super().__init__(figsize=(width, whole), facecolor="white")
        self.canvas_axes = self.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(whole, 0), autoscale_on=False)
        self.canvas_axes.set_axis_off()
        self.write(0, -self.above + 0.12, "\n".join(head), size=12.5, weight="bold")
        self.write(0, height + 0.1, "\n".join(foot), size=8.5)

    def write(
        self, x: float, y: float, text: str, *, size: float = 8.5, side: str = "left", within: float | None = None,
        **look: Any,
    ) -> None:  # fmt: skip
        """Text whose upper edge is at ``y``; ``side`` says which side is at ``x``; it is wrapped ``within`` inches."""
        if within is not None:
            text = textwrap.fill(text, max(20, int(within / _LETTER)))
        look = {"va": "top", "color": INK, "linespacing": 1.3, **look}
        self.canvas_axes.text(x + _MARGIN, y + self.above, text, fontsize=size, ha=side, **look)

    def show_image(self, x: float, y: float, side: float, pixels: NDArray[np.float32], *, label: str) -> None:
        """An image ``(H, W, 3)`` in [0, 1] as a square; ``label`` identifies it, in tests and in the SVG."""
        left, top = x + _MARGIN, y + self.above
        extent = (left, left + side, top + side, top)
        image = self.canvas_axes.imshow(np.clip(pixels, 0, 1), extent=extent, aspect="auto", origin="upper")
        image.set_gid(label)

    def frame(self, x: float, y: float, width: float, height: float, colour: str = INK, **look: Any) -> None:
        """An open rectangle."""
        look = {"lw": 1.0, "fill": False, **look}
        self.canvas_axes.add_patch(Rectangle((x + _MARGIN, y + self.above), width, height, edgecolor=colour, **look))

    def fill(self, x: float, y: float, width: float, height: float, colour: Any) -> None:
        """A filled rectangle."""
        self.canvas_axes.add_patch(Rectangle((x + _MARGIN, y + self.above), width, height, color=colour, lw=0))

    def axes_at(self, x: float, y: float, width: float, height: float, **options: Any) -> Any:
        """Matplotlib axes at a place of the canvas."""
        bottom = self.get_figheight() - (y + self.above) - height
        return self.add_axes(place(self, x + _MARGIN, bottom, width, height), **options)

    @styled
    def rendered(self, form: str) -> bytes:
        """The picture as ``"png"`` or ``"svg"``, without dates or versions: one picture, the same bytes."""
        return rendered(self, form)

    def _repr_png_(self) -> bytes:
        return self.rendered("png")

    def write_files(self, folder: Path, name: str) -> list[Path]:
        """Writes ``<name>.png`` and ``<name>.svg`` into a folder and returns the paths. Raises `DiskFull`."""
        paths = [folder / f"{name}.{form}" for form in ("png", "svg")]
        for path in paths:
            write_atomically(path, self.rendered(path.suffix[1:]))
        return paths
