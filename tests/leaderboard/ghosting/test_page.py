import csv
import io
import os
import subprocess
import sys

import pytest

from sembench.errors import SembenchError
from sembench.results.result import write_result
from sembench.suites.suite import load_suite
from sembench_leaderboard.entries.load import load
from sembench_leaderboard.ghosting.page import FIELDS, files


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
    text = files(results)["quick/ghosting-digits.md"].decode()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["", "Trained", "Ghosted ↓", "Fewest to most", "Accuracy, % ↑", "Seeds"]
    assert rows[2:] == [
        ["ke\\_\\*x", "2", "1", "1 to 1", "—", "0 1"],
        ["ke\\_\\*x", "10", "4.5", "3 to 6", "75.0", "0 1"],
    ]


def test_the_page_shows_the_chart_and_names_who_is_left_out(results):
    text = files(results)["quick/ghosting-digits.md"].decode()
    assert "](ghosting-digits.png)" in text
    assert "Left out, without a ghosting score: black\\_box (it has \\| no prototypes)." in text
    assert "range over seeds, no confidence interval" in text
    assert "Ghosting: How Ghosting is defined." in text


def test_a_data_set_with_parentheses_has_a_chart_that_is_found(build):
    odd = build.result({"ghosting": build.scored("ghosting", [1])}, dataset="a(b")
    made = files([odd])
    assert "](ghosting-a%28b.png)" in made["quick/ghosting-a(b.md"].decode()
    assert "quick/ghosting-a(b.png" in made


def test_the_csv_reads_back_exactly(results):
    rows = list(csv.DictReader(io.StringIO(files(results)["quick/ghosting-digits.csv"].decode())))
    assert tuple(rows[0]) == FIELDS
    assert [tuple(row.values()) for row in rows] == [
        ("quick", "digits", "ke_*x", "kmex-2", "2", "1.0", "1.0", "1.0", "", "0 1"),
        ("quick", "digits", "ke_*x", "kmex-10", "10", "4.5", "3.0", "6.0", "0.75", "0 1"),
    ]


def test_the_same_results_from_files_in_any_order_give_the_same_bytes(results, tmp_path):
    for result in results:
        write_result(tmp_path, result)
    assert files(load([tmp_path])) == files(results) == files(results[::-1])


def test_four_files_for_each_suite_and_data_set_and_none_without_a_score(results):
    assert list(files(results)) == [f"quick/ghosting-digits.{form}" for form in ("md", "csv", "png", "svg")]
    with pytest.raises(SembenchError, match="none has a score"):
        files(results[-1:])


def test_the_command_writes_the_files_names_them_and_loads_no_torch(results, tmp_path):
    for result in results:
        write_result(tmp_path / "runs", result)
    arguments = ("ghosting", "--results", tmp_path / "runs", "--suite", "quick", "--out", tmp_path / "out")
    done = sembench(*arguments, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(tmp_path / "out/quick" / f"ghosting-digits.{form}") for form in ("md", "csv", "png", "svg")
    ]
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "matplotlib.figure" in modules
    assert not {"torch", "sklearn", "matplotlib.pyplot"} & modules
    assert sembench(*arguments, "--check").returncode == 0
    (tmp_path / "out/quick/ghosting-digits.csv").write_text("edited")
    stale = sembench(*arguments, "--check")
    assert (stale.returncode, stale.stderr) == (1, "stale: quick/ghosting-digits.csv\n")


@pytest.mark.parametrize("extra", [(), ("--suite", "prototypes")])
def test_an_empty_folder_is_one_line_and_status_2(tmp_path, extra):
    done = sembench("ghosting", "--results", tmp_path, "--out", tmp_path / "out", *extra)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no results at ")
    assert str(tmp_path) in done.stderr
    assert "sembench run" in done.stderr
    assert not (tmp_path / "out").exists()


def test_its_suite_varies_the_number_of_prototypes_and_nothing_else_of_the_demo():
    suite, demo = load_suite("prototypes"), load_suite("quick")
    assert [e.entry for e in suite.explainers] == [
        f"{name}-{size}" for name in ("kmex", "protopnet", "flint", "protovae") for size in (1, 2, 5, 10, 20)
    ]
    assert all(e.entry == f"{e.name}-{e.parameters['prototypes_per_class']}" for e in suite.explainers)
    for part in ("backbone", "training", "evaluation", "datasets"):
        assert getattr(suite, part) == getattr(demo, part)
    assert set(suite.metrics) == {"accuracy", "ghosting"}
