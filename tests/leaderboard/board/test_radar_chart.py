import io
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from PIL import Image

from sembench_leaderboard.board.radar_chart import charts, conversions, overview, small_multiples
from sembench_leaderboard.drawing.pens import look, pens
from sembench_leaderboard.drawing.radar import Panel
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.profile import AXES, RIM, Outline, averages, outlines

FULL = {axis.name: 0.8 for axis in AXES}


@pytest.fixture(scope="module")
def profiles(synthetic_suite):
    return outlines(aggregate(synthetic_suite))


@pytest.fixture
def no_formulas():
    with matplotlib.rc_context({"text.parse_math": False}):
        yield


def words(sheet):
    return [text.get_text() for text in sheet.figure.findobj(matplotlib.text.Text) if text.get_text()]


def overlaps(sheet):
    """Pairs of texts that overlap, or stand beyond the figure."""
    sheet.figure.draw_without_rendering()  # a legend is laid out when it is drawn
    renderer = sheet.figure._get_renderer()
    texts = [text for text in sheet.figure.findobj(matplotlib.text.Text) if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    page = sheet.figure.bbox
    outside = [name for name, b in boxes if b.x0 < page.x0 or b.x1 > page.x1 or b.y0 < page.y0 or b.y1 > page.y1]
    pairs = [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[i + 1 :] if box.overlaps(other)]
    return outside + pairs


def drawn(outline):
    """Corners of the bold outlines on a sheet, relative to the radius."""
    sheet = overview("t", {"digits": [outline]}, "explainer")
    (line,) = [line for line in sheet.figure.axes[0].lines if len(line.get_xdata()) == len(AXES) + 1]
    corners, centre = np.stack(line.get_data(), axis=1), np.array(sheet.panel(0, "").centre)
    return (corners - centre) / sheet.panel(0, "").radius


def test_all_charts_of_a_suite(profiles):
    files = charts("quick", profiles)
    expected = ("radar", "radar-small-multiples", "radar-conversions", "radar-controls")
    assert list(files) == [f"{name}.{form}" for name in expected for form in ("png", "svg")]
    for name, content in files.items():
        if name.endswith("png"):
            image = Image.open(io.BytesIO(content))
            assert image.info["dpi"][0] == pytest.approx(min(150, 1350 * image.info["dpi"][0] / image.width), rel=0.01)
            assert image.width > 800
            assert image.info["Software"].startswith("Matplotlib ")
        else:
            assert b"<dc:date>" not in content
            assert b"Matplotlib " in content[:4096]  # see sembench_leaderboard.files
            ET.fromstring(content)


def test_the_same_profiles_give_the_same_bytes_whatever_the_users_settings(profiles):
    first = charts("quick", profiles)
    with matplotlib.rc_context(
        {"font.family": "monospace", "svg.fonttype": "none", "text.color": "red", "lines.linewidth": 9}
    ):
        second = charts("quick", profiles)
    assert first == second


def test_no_settings_are_left_behind(profiles):
    before = dict(matplotlib.rcParams)
    charts("quick", profiles)
    assert dict(matplotlib.rcParams) == before


def test_controls_are_drawn_on_a_chart_of_their_own(profiles):
    explainers, controls = (
        words(overview("t", profiles, "explainer")),
        words(overview("t", profiles, "control")),
    )
    assert {"kmex", "flint", "blackbox"} <= set(explainers)
    assert {"chance", "collapsed", "shuffled", "blackbox"} <= set(controls)
    assert not {"chance", "collapsed"} & set(explainers)
    assert "kmex" not in controls
    assert list(charts("quick", {"digits": [Outline("chance", "control", FULL)]})) == [
        "radar-controls.png", "radar-controls.svg",
    ]  # fmt: skip


def converted(name, value):
    return Outline(f"kmex({name})", "conversion", dict.fromkeys(FULL, value), of=name)


def test_conversions_are_drawn_beside_their_models_on_a_chart_of_their_own():
    flint, other = Outline("flint", "explainer", FULL), Outline("flint", "explainer", dict.fromkeys(FULL, 0.2))
    by_dataset = {"one": [flint, converted("flint", 0.4)], "two": [other]}
    assert "kmex(flint)" not in words(overview("t", by_dataset, "explainer"))
    assert "kmex(flint)" not in words(small_multiples("t", by_dataset, averages(by_dataset)))
    sheet = conversions("t", by_dataset)
    bold = [line for line in sheet.figure.axes[0].lines if len(line.get_xdata()) == len(AXES) + 1]
    panel = sheet.panel(0, "")
    radii = [np.hypot(*(np.stack(line.get_data()) - np.array(panel.centre)[:, None])) / panel.radius for line in bold]
    assert radii[0] == pytest.approx(0.8)  # the model, on the data set that the conversion ran on only
    assert radii[1] == pytest.approx(0.4)
    assert "radar-conversions.svg" in charts("quick", by_dataset)


def test_a_conversion_whose_model_did_not_run_beside_it_is_named_but_not_drawn():
    flint = Outline("flint", "explainer", FULL)
    by_dataset = {"one": [converted("flint", 0.4), converted("b4", 0.6)], "two": [flint]}
    assert not any("conversions" in name for name in charts("quick", by_dataset))
    by_dataset["one"].append(flint)
    said = words(conversions("t", by_dataset))
    assert "kmex(flint)" in said
    assert "kmex(b4)" not in said
    caption = " ".join(max(said, key=len).split())
    assert "Left out, since the model did not run on the same data: kmex(b4)." in caption


@pytest.mark.parametrize("count", [1, 3, 9])
def test_no_words_overlap_on_the_chart_of_conversions(no_formulas, count):
    names = [f"method-{place}" for place in range(count)]
    group = [Outline(name, "explainer", FULL) for name in names] + [converted(name, 0.5) for name in names]
    assert overlaps(conversions("Suite quick: conversions", {"digits": group})) == []


def test_labels_state_the_ends_and_the_caption_names_broken_outlines(profiles):
    texts = words(overview("t", profiles, "explainer"))
    for axis in AXES:
        assert texts.count(f"{axis.name}\n{axis.ends}") == 3  # two data sets and their average
    caption = " ".join(max(texts, key=len).split())
    assert "blackbox (transparency, diversity); cnn (transparency)." in caption
    assert "cut at the centre and at 1.1. Scores are averaged before outlines are cut." in caption


@pytest.mark.parametrize("sets", [1, 4, 9])
@pytest.mark.parametrize("count", [1, 14])
def test_no_words_overlap(no_formulas, sets, count):
    names = [f"method-{'x' * (place % 9)}{place}" for place in range(count)]
    group = [Outline(name, "explainer", FULL) for name in names] + [Outline("blackbox", "reference", FULL)]
    by_dataset = {f"data-set-{place}": group for place in range(sets)}
    assert overlaps(overview("Suite quick: profiles first, ranks last", by_dataset, "explainer")) == []
    assert overlaps(small_multiples("Suite quick: one profile each", by_dataset, averages(by_dataset))) == []


def test_the_words_of_the_synthetic_suite_do_not_overlap(profiles):
    for sheet in (
        overview("t", profiles, "explainer"),
        overview("t", profiles, "control"),
        small_multiples("t", profiles, averages(profiles)),
        conversions("t", profiles),
    ):
        assert overlaps(sheet) == []


def test_positions_are_drawn_where_they_belong():
    outline = Outline("a", "explainer", dict(zip(FULL, (1.0, 0.5, 0.25, 0.75, 0.0), strict=True)))
    corners = drawn(outline)
    assert corners[0] == pytest.approx([0, 1])  # the first axis is on top
    assert np.hypot(*corners.T) == pytest.approx([1, 0.5, 0.25, 0.75, 0, 1])
    assert corners[1][0] > 0  # clockwise


def test_a_missing_position_breaks_the_outline():
    corners = drawn(Outline("a", "explainer", FULL | {"robustness": None}))
    assert np.isnan(corners).any(axis=1).tolist() == [False, False, False, True, False, False]


def test_outlines_end_at_the_centre_and_at_the_rim():
    corners = drawn(Outline("a", "explainer", FULL | {"faithful accuracy": 4.0, "robustness": -3.0}))
    assert np.hypot(*corners[1]) == pytest.approx(RIM)
    assert corners[3] == pytest.approx([0, 0])


def test_an_average_is_cut_after_averaging():
    position = "faithful accuracy"
    by_dataset = {
        name: [Outline("a", "explainer", FULL | {position: own})] for name, own in [("one", 2.0), ("two", -1.4)]
    }
    sheet = overview("t", by_dataset, "explainer")
    line = [line for line in sheet.figure.axes[0].lines if len(line.get_xdata()) == len(AXES) + 1][-1]
    panel = sheet.panel(2, "")
    assert np.hypot(*(np.stack(line.get_data())[:, 1] - panel.centre)) / panel.radius == pytest.approx(0.3)


def test_a_pen_is_the_look_of_its_place():
    for place, pen in enumerate(pens([f"m{place}" for place in range(20)]).values()):
        own = look(place)
        assert (pen.colour, pen.marker) == (own.colour, own.marker)
        assert pen.dashes == ((0, own.dashes) if own.dashes else "-")


def test_names_are_never_read_as_formulas():
    outline = Outline("$\\frac{1}{", "explainer", FULL)
    assert "radar.svg" in charts("$x_1$", {"$\\broken{$": [outline]})


def test_a_method_missing_on_a_data_set_is_left_out_of_the_average_only():
    a, b = Outline("a", "explainer", FULL), Outline("b", "explainer", FULL)
    by_dataset = {"one": [a, b], "two": [a]}
    sheet = overview("t", by_dataset, "explainer")
    outlines_drawn = [line for line in sheet.figure.axes[0].lines if len(line.get_xdata()) == len(AXES) + 1]
    assert len(outlines_drawn) == 2 + 1 + 1
    assert isinstance(sheet.panel(0, "one"), Panel)
