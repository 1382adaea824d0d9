"""Figures find their entries by their folders; what shows other data stays out."""

import base64

import pytest
from typer.testing import CliRunner

from benchmark.errors import SembenchError
from benchmark.results import write_result
from leaderboard.report_figures import find_figures
from leaderboard.report_page import page, report_files
from sembench import app

from .markup import Markup

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 50
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


def test_the_smaller_of_two_files_is_taken_and_holds_its_bytes(folder, results):
    prototypes = find_figures(folder, "quick", results)[0][1]
    kind, _, content = prototypes.source.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(content) == SVG


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


def test_without_figures_there_is_no_section_of_them(results):
    assert not Markup(page("quick", results)).find("section", id="figures")


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.svg", "SVG")])
def test_a_file_that_is_no_image_is_refused(tmp_path, results, name, kind):
    (tmp_path / name).write_bytes(b"<html>")
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
    assert "celeba" not in report
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
