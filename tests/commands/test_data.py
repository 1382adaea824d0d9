"""What the command line says of data: left out by licence, fetched on request."""

import pytest
from typer.testing import CliRunner

from sembench.cli.main import app
from sembench.data.declaration import CC0, declares
from sembench.errors import SuiteInvalid
from sembench.plugins.registry import DATASETS
from sembench.results.result import read_result, write_result
from sembench.running import runner

SUITE = """
name = "data"
title = "For tests of the command line"
seeds = [0, 1]
metrics = ["accuracy"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 0
learning_rate = 0.05
[evaluation]
explained_images = 2
[[datasets]]
name = "digits"
image_size = 33
[[datasets]]
name = "cub"
label = "birds"
[[datasets]]
name = "own"
[[explainers]]
name = "blackbox"
"""
EXPLAINERS = SUITE[SUITE.index("[[explainers]]") :]


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "data.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def fetched():
    """The roots that a made-up data set was fetched into."""
    roots = []
    DATASETS._objects["own"] = declares(CC0, fetch=lambda root, options: roots.append(root))(lambda data_root: None)
    yield roots
    del DATASETS._objects["own"]


@pytest.fixture
def ran(monkeypatch):
    """The data sets of the cells that would have run."""
    seen = []

    class Fake:
        def __init__(self, *arguments):
            pass

        def run(self, cells):
            seen.extend(cell.dataset for cell in cells)
            return runner.Summary()

    monkeypatch.setattr(runner, "Runner", Fake)
    return seen


def sembench(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_open_leaves_out_what_is_not_free_and_says_so(suite, tmp_path, fetched, ran):
    done = sembench("run", "--suite", suite, "--out", tmp_path / "out", "--licence", "open")
    assert done.exit_code == 0
    assert "left out, its licence is not free: birds (research and education only)" in done.stderr
    assert "4 runs" in done.stdout
    assert ran == ["digits", "digits", "own", "own"]
    assert fetched == []


@pytest.mark.parametrize("option", [("--licence", "open"), ("--download",)])
def test_an_option_of_another_type_is_found_before_anything_follows_from_it(tmp_path, fetched, ran, option):
    path = tmp_path / "own.toml"
    options = 'parameters = { path = "cells", licence = "proprietary", open_licence = "no" }'
    path.write_text(SUITE[: SUITE.index("[[datasets]]")] + f'[[datasets]]\nname = "folder"\n{options}\n' + EXPLAINERS)
    with pytest.raises(SuiteInvalid, match="folder: the option open_licence is 'no'; accepted is bool"):
        sembench("run", "--suite", path, "--out", tmp_path / "out", *option)
    assert ran == fetched == []


def test_without_a_wish_everything_runs_and_nothing_is_fetched(suite, tmp_path, fetched, ran):
    done = sembench("run", "--suite", suite, "--out", tmp_path / "out")
    assert ran == ["digits"] * 2 + ["birds"] * 2 + ["own"] * 2
    assert "left out" not in done.output
    assert fetched == []


def test_download_fetches_each_data_set_that_is_to_run_once(suite, tmp_path, fetched, ran):
    root = tmp_path / "data sets"
    options = ("--dataset", "own", "--dataset", "digits", "--data-root", root, "--download")
    done = sembench("run", "--suite", suite, "--out", tmp_path / "out", *options)
    assert fetched == [root]
    assert "own: fetching what is missing into" in done.stdout
    assert "digits: nothing to fetch" in done.stdout
    assert ran == ["own", "own", "digits", "digits"]


@pytest.mark.slow
def test_a_board_of_free_data_leaves_out_the_rest(suite, tmp_path):
    out = tmp_path / "out"
    assert sembench("run", "--suite", suite, "--dataset", "digits", "--seed", 0, "--out", out).exit_code == 0
    (path,) = out.rglob("seed-0.json")
    result = read_result(path)
    closed = result.provenance.model_copy(update={"dataset_licence": "CC BY-NC", "dataset_licence_open": False})
    write_result(out, result.model_copy(update={"dataset": "closed", "provenance": closed}))
    done = sembench("leaderboard", "--results", out, "--out", tmp_path / "board", "--licence", "open")
    assert "left out, its licence is not free: closed (CC BY-NC)" in done.stderr
    page = (tmp_path / "board" / "data" / "board.md").read_text()
    assert "CC BY 4.0 (free)" in page
    assert "closed" not in page
