"""Figures find their entries by their folders; what shows other data stays out."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from markup import Markup
from sembench.cli.main import app
from sembench.errors import SembenchError
from sembench.results.result import write_result
from sembench_leaderboard.report import figures as report_figures
from sembench_leaderboard.report import figures as report_picture
from sembench_leaderboard.report.figures import find_figures
from sembench_leaderboard.report.page import page, report_files


def png(pixels):
    """An image of these pixels as PNG."""
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def noise(height, width):
    """An image that no format makes small."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


PNG = png(noise(12, 20))
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>window.hacked = 1</script></svg>'


@pytest.fixture
def folder(tmp_path):
    for name, content in {
        "comparison.png": PNG,
        "digits/radar_chart.svg": SVG,
        "digits/kmex/prototypes.png": PNG,
        "digits/kmex/prototypes.svg": SVG,
        "quick/digits/kmex/seed-1/relevance-maps.png": PNG,
        "digits/unknown/maps.png": PNG,
        "celeba/kmex/prototypes.png": PNG,
        "digits/kmex/notes.txt": b"mine",
        ".cache/digits/kmex/old.png": PNG,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def results(build):
    return build.suite(["blackbox", "kmex"], ["digits"], [0])


def places(figures):
    return [(figure.dataset, figure.explainer, figure.caption) for figure in figures]


def test_folders_say_what_a_figure_shows(folder, results):
    figures, left_out = find_figures(folder, "quick", results)
    assert places(figures) == [
        (None, None, "comparison"),
        ("digits", "kmex", "prototypes"),
        ("digits", None, "radar chart"),
        ("digits", None, "maps, unknown"),
        ("digits", "kmex", "relevance maps, seed 1"),
    ]
    assert left_out == {"celeba/kmex/prototypes.png": "these results have no data set celeba"}


def held(figure):
    """Type and content of a figure in the page."""
    kind, _, content = figure.source.partition(";base64,")
    return kind.removeprefix("data:"), base64.b64decode(content)


def test_of_two_files_the_one_that_takes_less_is_taken(folder, results):
    prototypes = find_figures(folder, "quick", results)[0][1]
    assert held(prototypes) == ("image/svg+xml", SVG)
    (folder / "digits/kmex/prototypes.svg").write_bytes(SVG + b" " * len(PNG))
    assert held(find_figures(folder, "quick", results)[0][1])[0] != "image/svg+xml"


def test_a_png_takes_less_and_shows_the_same(results, tmp_path):
    pixels = np.kron(noise(24, 20), np.ones((9, 9, 1), dtype=np.uint8))
    (tmp_path / "map.png").write_bytes(png(pixels))
    kind, content = held(find_figures(tmp_path, "quick", results)[0][0])
    assert kind == "image/webp"
    assert len(content) < (tmp_path / "map.png").stat().st_size
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_a_large_png_becomes_smaller_and_what_stays_large_is_left_out(results, tmp_path, monkeypatch):
    monkeypatch.setattr(report_picture, "LARGEST", 20_000)
    monkeypatch.setattr(report_picture, "_WIDTH", 100)
    monkeypatch.setattr(report_picture, "_MOST_PIXELS", 90_000)
    for name, content in {
        "fits.png": png(noise(100, 300)),
        "tall.png": png(noise(600, 100)),
        "huge.png": png(noise(301, 300)),
        "long.svg": SVG + b" " * 20_000,
    }.items():
        (tmp_path / name).write_bytes(content)
    figures, left_out = find_figures(tmp_path, "quick", results)
    assert [figure.caption for figure in figures] == ["fits"]
    kind, content = held(figures[0])
    assert kind == "image/webp"
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (100, 33)
    assert left_out["huge.png"] == "it has more than 90,000 pixels, 300 x 301: draw it smaller"
    assert left_out["long.svg"].endswith("an SVG cannot be scaled down: store a PNG beside it")
    assert "even when scaled down to 100 pixels across: draw less on it" in left_out["tall.png"]


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_small_file_that_would_unfold_to_a_huge_image_is_left_out(results, tmp_path, side):
    head = b"IHDR" + struct.pack(">II", side, side) + PNG[24:29]
    (tmp_path / "bomb.png").write_bytes(PNG[:12] + head + struct.pack(">I", zlib.crc32(head)) + PNG[33:])
    figures, left_out = find_figures(tmp_path, "quick", results)
    assert figures == []
    assert left_out["bomb.png"].startswith("it has more than 40,000,000 pixels")


def test_a_page_that_is_full_takes_no_more(folder, results, monkeypatch):
    monkeypatch.setattr(report_figures, "_WHOLE", 1200)
    figures, left_out = find_figures(folder, "quick", results)
    assert 0 < sum(len(figure.source) for figure in figures) <= 1200
    assert len(figures) + len(left_out) == 6
    assert "a page holds 0 MB of figures: name a folder with fewer" in left_out.values()


def test_names_as_the_command_show_gives_them_need_no_change(build, tmp_path):
    results = build.suite(["blackbox", "kmex"], ["digits", "a-digits"], [0])
    for name in (
        "quick/digits/seed-0/looks-like-kmex", "quick/digits/seed-0/relevance-5-explainers",
        "quick/digits/seed-0/prototypes-blackbox-kmex", "quick/curves-digits", "quick/curves-a-digits",
        "quick/ablations-digits", "quick/ablations-average", "quick/both-digits",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.png").write_bytes(PNG)
    assert places(find_figures(tmp_path, "quick", results)[0]) == [
        (None, None, "ablations average"),
        ("digits", None, "radar charts of ablations"),
        (None, None, "both digits"),
        ("a-digits", None, "relevance-order curves"),
        ("digits", None, "relevance-order curves"),
        ("digits", "kmex", "this looks like that, seed 0"),
        ("digits", None, "prototypes blackbox kmex, seed 0"),
        ("digits", None, "relevance maps, 5 explainers, seed 0"),
    ]


def test_an_entry_leads_to_the_figures_that_show_it_beside_others(folder, results):
    markup = Markup(report_files(results, folder)[0]["quick/report.html"].decode())
    link = next(e for e in markup.find("a") if e.text == "radar chart" and e.inside("details"))
    figure = next(e for e in markup.find("figure") if f"#{e.attributes.get('id')}" == link.attributes["href"])
    assert figure.text == "radar chart, digits"


def test_general_figures_stay_out_where_they_may_show_what_is_left_out(folder, results):
    figures, left_out = find_figures(folder, "quick", results, general=False)
    assert (None, None, "comparison") not in places(figures)
    assert left_out["comparison.png"] == "it may show data that is left out"


def test_figures_stand_in_their_entry_or_in_a_section_of_their_own(folder, results):
    files, left_out = report_files(results, folder)
    markup = Markup(files["quick/report.html"].decode())
    texts = [(e.attributes["alt"], e.inside("details")) for e in markup.find("img")]
    assert ("prototypes: kmex on digits", True) in texts
    assert ("comparison: all data sets", False) in texts
    assert ("radar chart: digits", False) in texts
    assert list(left_out) == ["quick"]
    assert len(markup.find("script")) == 2


def test_without_figures_there_is_no_section_of_them_and_no_word(results):
    markup = Markup(page("quick", results))
    assert not markup.find("section", id="figures")
    assert "figures" not in " ".join(markup.find("section", id=name)[0].text for name in ("data", "entries"))


def test_words_about_figures_stand_where_there_are_some(folder, results):
    figures, _ = find_figures(folder, "quick", results)

    def said(figures):
        markup = Markup(page("quick", results, figures))
        data, entries = (markup.find("section", id=name)[0].text for name in ("data", "entries"))
        assert ("the figures of this page are under the licence" in data) == bool(figures)
        return "Each entry's figures, scores" in entries

    assert said(figures)
    assert said([figure for figure in figures if figure.explainer])
    assert said([figure for figure in figures if figure.dataset and not figure.explainer])
    assert not said([figure for figure in figures if not figure.dataset])


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [("a.png", "PNG", b"<html>"), ("a.png", "PNG", SVG), ("a.png", "PNG", PNG[:300]), ("a.svg", "SVG", b"<html>")],
)
def test_a_file_that_is_no_image_is_refused(tmp_path, results, name, kind, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SembenchError, match=rf"{name} is not what its name says: no {kind} image"):
        find_figures(tmp_path, "quick", results)


def test_a_folder_that_is_not_there_is_refused(tmp_path, results):
    with pytest.raises(SembenchError, match=r"no folder of figures at .*missing"):
        find_figures(tmp_path / "missing", "quick", results)


def test_free_data_only_leaves_out_the_figures_of_other_data(build, folder, tmp_path):
    for result in build.suite(["blackbox", "kmex"], ["digits", "celeba"], [0]):
        provenance = result.provenance.model_copy(update={"dataset_licence_open": result.dataset == "digits"})
        write_result(tmp_path / "runs", result.model_copy(update={"provenance": provenance}))
    command = ["report", "--results", tmp_path / "runs", "--figures", folder, "--out", tmp_path / "out"]
    done = CliRunner().invoke(app, [*map(str, command), "--licence", "open"])
    assert done.exit_code == 0
    assert "left out, its licence is not free: celeba" in done.stderr
    assert "celeba/kmex/prototypes.png, these results have no data set celeba" in done.stderr
    assert "comparison.png, it may show data that is left out" in done.stderr
    report = (tmp_path / "out/quick/report.html").read_text("utf-8")
    assert "celeba/kmex" not in report
    assert '"celeba"' not in report  # claims of a paper name its data sets, in their text
    assert len(Markup(report).find("img")) == 4
    assert CliRunner().invoke(app, [*map(str, command)]).exit_code == 0
    assert len(Markup((tmp_path / "out/quick/report.html").read_text("utf-8")).find("img")) == 6


def test_a_name_that_ends_with_one_explainer_belongs_to_its_entry(build, tmp_path):
    results = build.suite(["blackbox", "kmex", "kmex-patches", "kmex(flint)", "flint"], ["digits"], [0])
    for name in ("maps-kmex", "maps-kmex-patches", "maps-kmex(flint)", "maps-flint-kmex", "maps-unknown", "kmex"):
        (tmp_path / "quick/digits/seed-0").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"quick/digits/seed-0/{name}.png").write_bytes(PNG)
    assert {(explainer, caption) for _, explainer, caption in places(find_figures(tmp_path, "quick", results)[0])} == {
        ("kmex", "maps, seed 0"),
        ("kmex-patches", "maps, seed 0"),
        ("kmex(flint)", "maps, seed 0"),
        (None, "maps flint kmex, seed 0"),
        (None, "maps unknown, seed 0"),
        (None, "kmex, seed 0"),
    }
