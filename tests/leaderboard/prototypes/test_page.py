import csv
import io
import os
import subprocess
import sys

import pytest

from sembench.errors import SembenchError
from sembench.results.result import write_result
from sembench.suites.suite import load_suite
from sembench_leaderboard.entries import versions
from sembench_leaderboard.entries.load import load
from sembench_leaderboard.prototypes.page import FIELDS, files


@pytest.fixture(scope="module")
def results(build):
    """Two sizes of one explainer with two seeds, one of them without accuracy, and the black box."""

    def cell(size, seed, ghosted, **more):
        values = [1] * ghosted + [0] * (size - ghosted)
        made = build.result(
            {"ghosting": build.scored("ghosting", values), **more}, explainer=f"kmex-{size}", seed=seed,
            settings={"explainer": {"name": "ke_*x"}},
        )  # fmt: skip
        return made.model_copy(update={"hyperparameters": {"prototypes_per_class": size}})

    right = {"accuracy": build.scored("accuracy", [1, 1, 1, 0])}
    why = build.not_applicable("ghosting", "it has | no prototypes")
    return [
        cell(10, 0, 3, **right), cell(10, 1, 6, **right), cell(2, 0, 1), cell(2, 1, 1),
        build.result({"ghosting": why}, explainer="black_box", kind="reference"),
    ]  # fmt: skip


def sembench(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "sembench", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def test_the_table_has_numbers_spread_accuracy_and_seeds_in_order(results):
    text = files(results)["quick/prototypes-digits.md"].decode()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["", "Trained", "Mean ↓", "Smallest to largest", "Accuracy, % ↑", "Seeds"]
    assert rows[2:] == [
        ["ke\\_\\*x", "2", "1", "1 to 1", "—", "0 1"],
        ["ke\\_\\*x", "10", "4.5", "3 to 6", "75.0", "0 1"],
    ]


def test_the_page_shows_the_chart_and_names_who_is_left_out(results):
    text = files(results)["quick/prototypes-digits.md"].decode()
    assert "](prototypes-digits.png)" in text
    assert "Left out: black\\_box (it has \\| no prototypes)." in text
    assert "range over seeds, which is no confidence interval" in text
    assert "Ghosting: How Ghosting is defined." in text


def test_a_data_set_with_parentheses_has_a_chart_that_is_found(build):
    odd = build.result({"ghosting": build.scored("ghosting", [1])}, dataset="a(b")
    made = files([odd])
    assert "](prototypes-a%28b.png)" in made["quick/prototypes-a(b.md"].decode()
    assert "quick/prototypes-a(b.png" in made


def test_the_csv_reads_back_exactly(results):
    rows = list(csv.DictReader(io.StringIO(files(results)["quick/prototypes-digits.csv"].decode())))
    assert tuple(rows[0]) == FIELDS
    assert [tuple(row.values()) for row in rows] == [
        ("quick", "digits", "ghosting", "ke_*x", "kmex-2", "2", "1.0", "1.0", "1.0", "", "0 1"),
        ("quick", "digits", "ghosting", "ke_*x", "kmex-10", "10", "4.5", "3.0", "6.0", "0.75", "0 1"),
    ]


def test_the_same_results_from_files_in_any_order_give_the_same_bytes(results, tmp_path):
    for result in results:
        write_result(tmp_path, result)
    assert files(load([tmp_path])) == files(results) == files(results[::-1])


def test_four_files_for_each_suite_and_data_set_and_none_without_a_score(results):
    assert list(files(results)) == [f"quick/prototypes-digits.{form}" for form in ("md", "csv", "png", "svg")]
    with pytest.raises(SembenchError, match="none has a score"):
        files(results[-1:])


def test_the_command_writes_the_files_names_them_and_loads_no_torch(results, tmp_path):
    for result in results:
        write_result(tmp_path / "runs", result)
    arguments = ("prototypes", "--results", tmp_path / "runs", "--suite", "quick", "--out", tmp_path / "out")
    done = sembench(*arguments, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(tmp_path / "out/quick" / f"prototypes-digits.{form}") for form in ("md", "csv", "png", "svg")
    ]
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "matplotlib.figure" in modules
    assert not {"torch", "sklearn", "matplotlib.pyplot"} & modules
    assert sembench(*arguments, "--check").returncode == 0
    (tmp_path / "out/quick/prototypes-digits.csv").write_text("edited")
    stale = sembench(*arguments, "--check")
    assert (stale.returncode, stale.stderr) == (1, "stale: quick/prototypes-digits.csv\n")


@pytest.mark.parametrize("extra", [(), ("--suite", "prototypes")])
def test_an_empty_folder_is_one_line_and_status_2(tmp_path, extra):
    done = sembench("prototypes", "--results", tmp_path, "--out", tmp_path / "out", *extra)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no results at ")
    assert str(tmp_path) in done.stderr
    assert "sembench run" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_page_has_a_section_for_every_quantity(build):
    """Three of four attributes captured, and a mean absolute error of .25."""
    scores = {
        "ghosting": build.scored("ghosting", [1, 0]),
        "attributes_captured": build.scored("attributes_captured", [1, 0, 1, 1]),
        "attribute_correlation": build.scored("attribute_correlation", [0.1, 0.4]),
    }
    made = files([build.result(scores)])
    text = made["quick/prototypes-digits.md"].decode()
    rows = [" ".join(line.split()) for line in text.splitlines() if line.startswith("| kmex")]
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Ghosted prototypes", "## Captured attributes", "## Error of attribute correlations",
    ]  # fmt: skip
    assert rows == [
        "| kmex | 2 | 1 | 1 to 1 | — | 0 |", "| kmex | 2 | 3 | 3 to 3 | — | 0 |",
        "| kmex | 2 | 0.250 | 0.250 to 0.250 | — | 0 |",
    ]  # fmt: skip
    table = list(csv.DictReader(io.StringIO(made["quick/prototypes-digits.csv"].decode())))
    assert [(row["metric"], float(row["value"])) for row in table] == [
        ("ghosting", 1), ("attributes_captured", 3), ("attribute_correlation", 0.25),
    ]  # fmt: skip


def test_results_of_another_version_say_so(results, monkeypatch):
    assert "These results are" not in files(results)["quick/prototypes-digits.md"].decode()
    held = results[0].scores["ghosting"].measure.version
    monkeypatch.setattr(versions, "current_versions", lambda: {"ghosting": held + 1})
    text = files(results)["quick/prototypes-digits.md"].decode()
    assert f"These results are old: version {held} of Ghosting" in text


NUMBERS = {"prototypes": (1, 3, 6, 10, 20), "open-prototypes": (1, 5, 20)}


@pytest.mark.parametrize("name", NUMBERS)
def test_its_suites_vary_the_number_of_prototypes_of_every_model_and_of_its_kmex(name):
    trained = ("protopnet", "flint", "protovae")
    names = ("kmex", *trained, *(f"kmex({base})" for base in trained))
    suite = load_suite(name)
    assert {e.entry for e in suite.explainers} == {f"{e}-{size}" for e in names for size in NUMBERS[name]}
    for spec in suite.explainers:
        assert spec.entry == f"{spec.name}-{spec.parameters['prototypes_per_class']}"
        base = spec.parameters.get("base", spec.parameters)
        assert base["prototypes_per_class"] == spec.parameters["prototypes_per_class"]


def test_conversions_are_of_the_models_that_the_suite_trains():
    for suite in map(load_suite, NUMBERS):
        trained = {e.entry: e.parameters for e in suite.explainers}
        for spec in suite.explainers:
            if "base" in spec.parameters:
                assert spec.parameters["base"] == trained[spec.entry.removeprefix("kmex(").replace(")", "")]


def test_its_suite_has_the_black_box_of_the_papers_on_celeba():
    suite, paper = load_suite("prototypes"), load_suite("kmex")
    assert (suite.backbone, suite.seeds) == (paper.backbone, paper.seeds)
    assert suite.training == paper.dataset("celeba").training
    assert [(own.name, own.image_size) for own in suite.datasets] == [("celeba", paper.dataset("celeba").image_size)]
    assert {"attributes_captured", "attribute_correlation"} < set(suite.metrics)
