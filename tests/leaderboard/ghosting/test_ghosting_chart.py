import io
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from PIL import Image

from sembench_leaderboard.drawing.pens import pens
from sembench_leaderboard.ghosting.curve import Comparison, Point
from sembench_leaderboard.ghosting.page import chart, charts


def compared(curves, left_out=(), dataset="digits"):
    """A comparison from ``{label: {prototypes: ghosted per seed}}``."""
    points = {
        label: [Point(label, size, tuple(range(len(ghosted))), ghosted, ()) for size, ghosted in curve.items()]
        for label, curve in curves.items()
    }
    return Comparison("prototypes", dataset, points, dict.fromkeys(left_out, "it has none"), "")


TWO = {"kmex": {10: (0, 2), 50: (5, 9)}, "protopnet": {10: (4, 4), 50: (30, 31), 200: (150, 170)}}


def sheet(comparison):
    with matplotlib.rc_context({"text.parse_math": False}):
        return chart(comparison, pens(list(comparison.curves)))


def lines(comparison):
    """Data of the drawn lines that are no error bars."""
    drawn = sheet(comparison).figure.axes[1].lines
    return [np.stack(line.get_data(), 1).tolist() for line in drawn if line.get_linestyle() != "None"]


def texts(figure):
    return [text for text in figure.findobj(matplotlib.text.Text) if text.get_text() and text.get_visible()]


def test_means_are_drawn_and_joined_in_order_and_the_diagonal_is_where_all_are_ghosted():
    diagonal, kmex, protopnet = lines(compared(TWO))
    assert diagonal == [[0, 0], [200, 200]]
    assert kmex == [[10, 1], [50, 7]]
    assert protopnet == [[10, 4], [50, 30.5], [200, 160]]


def test_bars_reach_from_the_smallest_to_the_largest_seed():
    bars = sheet(compared(TWO)).figure.axes[1].collections
    ends = [segment[:, 1].tolist() for bar in bars for segment in bar.get_segments()]
    assert ends == [[0, 2], [5, 9], [30, 31], [150, 170]]  # none where both seeds have 4


def test_both_sides_have_the_same_scale_and_every_mark_is_inside():
    axes = sheet(compared(TWO)).figure.axes[1]
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlim()[0] < 0
    assert axes.get_xlim()[1] > 200
    width, height = axes.get_position().size * sheet(compared(TWO)).figure.get_size_inches()
    assert width == pytest.approx(height)


def test_legend_and_caption_say_what_lines_and_bars_are():
    words = " ".join(" ".join(text.get_text() for text in texts(sheet(compared(TWO, ["blackbox"])).figure)).split())
    for part in ("kmex", "protopnet", "all ghosted (y = x)", "smallest to the largest number over seeds"):
        assert part in words
    assert "No ghosting score: blackbox." in words
    assert "No ghosting score" not in " ".join(text.get_text() for text in texts(sheet(compared(TWO)).figure))


@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize("most", [1, 200, 2000])
def test_no_words_overlap_or_are_cut(count, most):
    curves = {f"method-{place}": {most: (most // 2,)} for place in range(count)}
    curves["method (" + 70 * "x" + ")" * (count > 1)] = {most: (0,)}
    figure = sheet(compared(curves, ["blackbox", "cnn"] * 9)).figure
    figure.draw_without_rendering()
    renderer, page = figure._get_renderer(), figure.bbox
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]
    assert [name for name, b in boxes if b.x0 < page.x0 or b.x1 > page.x1 or b.y0 < page.y0 or b.y1 > page.y1] == []
    assert [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[i + 1 :] if box.overlaps(other)] == []


def test_the_same_curves_give_the_same_bytes_whatever_the_users_settings():
    first = charts([compared(TWO)])
    with matplotlib.rc_context({"font.family": "monospace", "svg.fonttype": "none", "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        assert charts([compared(TWO)]) == first
        assert dict(matplotlib.rcParams) == before


def test_a_chart_is_a_png_and_an_svg_without_dates():
    (files,) = charts([compared(TWO)])
    assert list(files) == ["ghosting-digits.png", "ghosting-digits.svg"]
    image = Image.open(io.BytesIO(files["ghosting-digits.png"]))
    assert image.width > 800
    assert image.info["Software"].startswith("Matplotlib ")
    ET.fromstring(files["ghosting-digits.svg"])
    assert b"<dc:date>" not in files["ghosting-digits.svg"]


def test_a_curve_looks_the_same_on_every_data_set():
    both, alone = charts([compared(TWO), compared({"protopnet": TWO["protopnet"]}, dataset="letters")])
    first, second = (pen.colour.lower().encode() for pen in pens(["kmex", "protopnet"]).values())
    assert first in both["ghosting-digits.svg"].lower()
    assert second in both["ghosting-digits.svg"].lower()
    assert second in alone["ghosting-letters.svg"].lower()
    assert first not in alone["ghosting-letters.svg"].lower()


def test_names_are_neither_formulas_nor_markup():
    (files,) = charts([compared({"a (x = <b>&--$\\frac{1}{\n)": {5: (1,)}})])
    ET.fromstring(files["ghosting-digits.svg"])
