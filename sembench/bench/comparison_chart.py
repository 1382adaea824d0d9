"""The chart of a comparison: every ratio with its interval, one line a workload."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sembench.bench.comparison import Comparison, Time

_STYLE: dict[Any, Any] = {"font.family": "DejaVu Sans", "text.parse_math": False, "svg.hashsalt": "sembench"}
_GREY, _SLOWER, _FASTER = "#888888", "#D55E00", "#0072B2"  # of Okabe and Ito's palette


def chart(found: Comparison) -> dict[str, bytes]:
    """The chart as PNG and SVG, by file name."""
    with style.context(["default", _STYLE]):
        figure = _drawn(found)
        files = {}
        for kind in ("png", "svg"):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
            files[f"comparison.{kind}"] = buffer.getvalue()
    return files


def _drawn(found: Comparison) -> Figure:
    figure = Figure(figsize=(8, 1.4 + 0.22 * len(found.times)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for row, time in enumerate(found.times):
        axes.plot([time.low, time.high], [row, row], color=_colour(time), lw=2, solid_capstyle="butt")
        axes.plot([time.ratio], [row], "o", color=_colour(time), ms=5)
    axes.axvline(1, color="black", lw=0.8)
    axes.set_yticks(np.arange(len(found.times)), [time.name for time in found.times], fontsize=8)
    axes.invert_yaxis()
    far = max((abs(np.log(time.ratio)) for time in found.times), default=0.0)
    reach = float(np.exp(min(max(1.5 * far, 0.3), 7.0)))  # a wide interval may leave the chart, no point does
    axes.set(xscale="log", xlim=(1 / reach, reach), xlabel="time, head / base (right of the line: slower)")
    ticks = [tick for tick in (0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4, 10) if 1 / reach <= tick <= reach]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_title(f"{found.base} against {found.head}: orange is slower, blue faster beyond the noise", fontsize=9)
    return figure


def _colour(time: Time) -> str:
    if not time.changed:
        return _GREY
    return _SLOWER if time.ratio > 1 else _FASTER
