import subprocess
import sys

import pytest

from sembench.results.result import write_result
from sembench_leaderboard.board import board as module
from sembench_leaderboard.board.board import FILES, board, check_board, write_board
from sembench_leaderboard.entries.load import load


@pytest.fixture(scope="module")
def small(build):
    """Two methods, a conversion and a control on one data set, quick to draw."""
    return build.suite(["blackbox", "flint", "kmex(flint)", "chance"], ["digits"], [0])


def names(paths, out):
    return [path.relative_to(out).as_posix() for path in paths]


def test_writes_everything_below_the_suite(small, tmp_path):
    written = write_board(small, tmp_path)
    assert sorted(names(written, tmp_path)) == sorted(f"quick/{name}" for name in FILES)
    assert sorted(path.name for path in (tmp_path / "quick").iterdir()) == sorted(FILES)
    text = (tmp_path / "quick/board.md").read_text(encoding="utf-8")
    for chart in ("radar.png", "radar-small-multiples.png", "radar-conversions.png", "radar-controls.png"):
        assert f"]({chart})" in text
    assert check_board(small, tmp_path) == []


def test_the_order_of_results_changes_no_byte(small):
    assert board(small) == board(small[::-1])


def test_results_from_files_give_the_same_bytes(small, tmp_path):
    for result in small:
        write_result(tmp_path, result)
    assert board(load([tmp_path])) == board(small)


def test_nothing_on_the_board_depends_on_when_or_where(small, tmp_path):
    again = [
        result.model_copy(
            update={"provenance": result.provenance.model_copy(update={"created": "2031-12-31T23:59:59+00:00"})}
        )
        for result in small
    ]
    write_board(small, tmp_path)
    assert check_board(again, tmp_path) == []
    assert all(str(tmp_path).encode() not in content for content in board(small).values())


def test_stale_missing_and_left_over_files_are_named(small, tmp_path):
    write_board(small, tmp_path)
    (tmp_path / "quick/board.csv").unlink()
    (tmp_path / "quick/radar.svg").write_bytes(b"<svg/>")
    assert check_board(small, tmp_path) == ["quick/board.csv", "quick/radar.svg"]
    without = [result for result in small if result.kind != "control"]
    write_board(small, tmp_path)
    stale = check_board(without, tmp_path)
    assert {"quick/radar-controls.png", "quick/radar-controls.svg", "quick/board.md"} <= set(stale)


def test_charts_that_show_nothing_any_more_are_removed_and_other_files_kept(small, tmp_path):
    write_board(small, tmp_path)
    (tmp_path / "quick/notes.txt").write_text("mine")
    without = [result for result in small if result.kind != "control"]
    written = write_board(without, tmp_path)
    assert not (tmp_path / "quick/radar-controls.png").exists()
    assert (tmp_path / "quick/notes.txt").read_text() == "mine"
    assert "radar-controls" not in (tmp_path / "quick/board.md").read_text(encoding="utf-8")
    assert check_board(without, tmp_path) == []
    assert len(written) == len(FILES) - 2


def test_every_suite_has_its_own_board(build, tmp_path):
    results = [build.result({"accuracy": build.scored("accuracy", [1, 0])}, suite=suite) for suite in ("full", "quick")]
    assert names(write_board(results, tmp_path), tmp_path) == [
        f"{suite}/board.{form}" for suite in ("full", "quick") for form in ("md", "csv", "tex")
    ]


def test_a_write_that_fails_leaves_older_files_whole(small, tmp_path, monkeypatch):
    write_board(small, tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "quick").iterdir()}
    monkeypatch.setattr(module, "board", lambda results: {"quick/board.md": "no bytes"})
    with pytest.raises(TypeError):
        write_board(small, tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "quick").iterdir()} == before


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def test_no_module_loads_torch():
    code = """
import importlib, pkgutil, sys, sembench_leaderboard
for module in pkgutil.walk_packages(sembench_leaderboard.__path__, "sembench_leaderboard."):
    importlib.import_module(module.name)
    print(module.name)
print(*sorted({"torch", "scipy", "sembench.types", "matplotlib.pyplot"} & set(sys.modules)), "end")
"""
    output = run(code)
    assert "sembench_leaderboard.board.radar_chart" in output
    assert output[-1] == "end"
    assert not {"torch", "scipy", "sembench.types", "matplotlib.pyplot"} & set(output)


def test_tables_alone_load_neither_matplotlib_nor_pandas():
    assert run("import sys, sembench_leaderboard.board.board; print({'matplotlib', 'pandas'} & set(sys.modules))") == [
        "set()"
    ]
