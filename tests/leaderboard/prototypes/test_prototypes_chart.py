import io
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from PIL import Image

from builders import measure
from sembench_leaderboard.drawing.pens import pens
from sembench_leaderboard.prototypes.chart import chart, charts
from sembench_leaderboard.prototypes.curve import QUANTITIES, Comparison, Part, Point


def part(curves, left_out=(), place=0, units=200):
    """A quantity from ``{label: {prototypes: number per seed}}``."""
    points = {
        label: [Point(label, size, tuple(range(len(numbers))), numbers, ()) for size, numbers in curve.items()]
        for label, curve in curves.items()
    }
    own = QUANTITIES[place]
    return Part(own, points, dict.fromkeys(left_out, "it has none"), measure(own.metric), units)


def compared(curves, left_out=(), dataset="digits"):
    """A comparison of ghosts alone."""
    return Comparison("prototypes", dataset, [part(curves, left_out)])


TWO = {"kmex": {10: (0, 2), 50: (5, 9)}, "protopnet": {10: (4, 4), 50: (30, 31), 200: (150, 170)}}


def sheet(comparison):
    with matplotlib.rc_context({"text.parse_math": False}):
        return chart(comparison, pens(comparison.labels))


def lines(comparison):
    """Data of the drawn lines that are no error bars."""
    drawn = sheet(comparison).figure.axes[1].lines
    return [np.stack(line.get_data(), 1).tolist() for line in drawn if line.get_linestyle() != "None"]


THREE = Comparison(
    "prototypes", "celeba",
    [
        part({"kmex": {2: (0,), 40: (0,)}, "flint": {2: (1,), 40: (30,)}, "kmex(flint)": {2: (0,), 40: (1,)}}),
        part({"kmex": {2: (11,), 40: (39,)}, "flint": {2: (7,)}, "kmex(flint)": {40: (33,)}}, ["blackbox"], 1, 40),
        part({"kmex": {2: (0.5,), 40: (0.25,)}, "flint": {2: (0.75,)}, "kmex(flint)": {40: (0.125,)}}, (), 2, 40),
    ],
    {"kmex", "kmex(flint)"},
)  # fmt: skip


def test_every_quantity_is_a_row_with_trained_models_left_and_conversions_right():
    """[K] Fig. 5b: the left plot shows the baselines and the right one KMEx, that of the black box included."""
    panels = sheet(THREE).figure.axes[1:]
    titles = ["ghosted prototypes", "captured attributes", "error of attribute correlations"]
    assert [axes.get_ylabel() for axes in panels] == [title for title in titles for _ in range(2)]
    drawn = [[np.stack(line.get_data(), 1).tolist() for line in axes.lines] for axes in panels]
    diagonal, most = [[0, 0], [40, 40]], [[0, 40], [40, 40]]
    assert drawn == [
        [diagonal, [[2, 1], [40, 30]]], [diagonal, [[2, 0], [40, 0]], [[2, 0], [40, 1]]],
        [most, [[2, 7]]], [most, [[2, 11], [40, 39]], [[40, 33]]],
        [[[2, 0.75]]], [[[2, 0.5], [40, 0.25]], [[40, 0.125]]],
    ]  # fmt: skip
    for left, right in zip(panels[::2], panels[1::2], strict=True):
        assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())


def test_the_caption_says_what_is_better_what_has_no_score_and_what_is_converted():
    words = " ".join(" ".join(text.get_text() for text in texts(sheet(THREE).figure)).split())
    for said in (
        "captured attributes: higher is better", "correlations: lower is better", "all attributes",
        "No score for captured attributes: blackbox.", "without training it again", "captured attributes, converted",
    ):  # fmt: skip
        assert said in words
    assert "onverted" not in " ".join(text.get_text() for text in texts(sheet(compared(TWO)).figure))


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
    assert "No score for ghosted prototypes: blackbox." in words
    assert "No score" not in " ".join(text.get_text() for text in texts(sheet(compared(TWO)).figure))


def crowded(count, most):
    curves = {f"method-{place}": {most: (most // 2,)} for place in range(count)}
    curves["method (" + 70 * "x" + ")" * (count > 1)] = {most: (0,)}
    return compared(curves, ["blackbox", "cnn"] * 9)


@pytest.mark.parametrize(
    "comparison", [THREE, *(crowded(count, most) for count in (1, 2, 7, 16) for most in (1, 200, 2000))]
)
def test_no_words_overlap_or_are_cut(comparison):
    figure = sheet(comparison).figure
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
    assert list(files) == ["prototypes-digits.png", "prototypes-digits.svg"]
    image = Image.open(io.BytesIO(files["prototypes-digits.png"]))
    assert image.width > 800
    assert image.info["Software"].startswith("Matplotlib ")
    ET.fromstring(files["prototypes-digits.svg"])
    assert b"<dc:date>" not in files["prototypes-digits.svg"]


def test_a_curve_looks_the_same_on_every_data_set():
    both, alone = charts([compared(TWO), compared({"protopnet": TWO["protopnet"]}, dataset="letters")])
    first, second = (pen.colour.lower().encode() for pen in pens(["kmex", "protopnet"]).values())
    assert first in both["prototypes-digits.svg"].lower()
    assert second in both["prototypes-digits.svg"].lower()
    assert second in alone["prototypes-letters.svg"].lower()
    assert first not in alone["prototypes-letters.svg"].lower()


def test_names_are_neither_formulas_nor_markup():
    (files,) = charts([compared({"a (x = <b>&--$\\frac{1}{\n)": {5: (1,)}})])
    ET.fromstring(files["prototypes-digits.svg"])
