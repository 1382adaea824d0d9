"""`sembench show`: figures from a run's cache, sentences for those that do not apply."""

import re

import pytest

from command_line import imported, sembench

SUITE = """
name = "shown"
title = "For tests of show"
seeds = [0, 1]
metrics = ["accuracy", "ro_auroc"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 1
learning_rate = 0.05
batch_size = 128
[evaluation]
explained_images = 10
steps = 4
[[datasets]]
name = "digits"
image_size = 16
[[explainers]]
name = "blackbox"
[[explainers]]
name = "kmex"
[[explainers]]
name = "b4"
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    (folder / "shown.toml").write_text(SUITE)
    return folder


@pytest.fixture
def folder(shared, monkeypatch):
    """The current folder, with a suite and what was computed in it before."""
    monkeypatch.chdir(shared)
    return shared


@pytest.mark.slow
def test_figures_are_drawn_from_a_runs_cache_or_models_made_again(folder):
    first = sembench("show", "prototypes", "--suite", "shown.toml", "--explainer", "kmex", "--explainer", "b4",
                     "--label", 3)  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert "training the black box" in first.stdout
    place = folder / "figures" / "shown" / "digits" / "seed-0"
    made = {path.name: path.read_bytes() for path in place.iterdir()}
    assert set(made) == {"prototypes-kmex-b4.png", "prototypes-kmex-b4.svg"}
    again = sembench("show", "prototypes", "--suite", "shown.toml", "--explainer", "kmex", "--explainer", "b4",
                     "--label", 3)  # fmt: skip
    assert "training" not in again.stdout.replace("training and", "")
    assert "fitting" not in again.stdout
    assert {path.name: path.read_bytes() for path in place.iterdir()} == made

    mixed = sembench("show", "concepts", "--suite", "shown.toml", "--explainer", "kmex", "--explainer", "b4",
                     "--image", 0)  # fmt: skip
    assert mixed.returncode == 0, mixed.stderr
    assert (place / "concepts-b4.svg").exists()
    assert "no figure 'concepts' of kmex: it compares whole images with prototypes" in mixed.stdout


@pytest.mark.slow
def test_curves_come_from_results_alone_and_load_no_torch(folder):
    done = sembench("run", "--suite", "shown.toml", "--explainer", "kmex", "--seed", 0)
    assert done.returncode == 0, done.stderr
    modules, shown = imported("show", "curves", "--suite", "shown")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == [f"figures/shown/curves-digits.{form}" for form in ("png", "svg")]
    assert "matplotlib.figure" in modules
    assert not {"torch", "sklearn"} & modules


@pytest.mark.slow
def test_what_show_leaves_goes_into_the_report_of_its_entry_as_it_is(folder):
    assert sembench("run", "--suite", "shown.toml", "--explainer", "kmex", "--seed", 0).returncode == 0
    for figure in ("prototypes", "looks-like"):
        shown = sembench("show", figure, "--suite", "shown.toml", "--explainer", "kmex", "--out", "stored")
        assert shown.returncode == 0, shown.stderr
    assert sembench("show", "curves", "--suite", "shown", "--out", "stored").returncode == 0
    made = sembench("report", "--suite", "shown", "--figures", "stored", "--out", "board")
    assert (made.returncode, made.stderr) == (0, "")
    report = (folder / "board/shown/report.html").read_text("utf-8")
    entry = report[report.index('id="entry/digits/kmex"') :]
    for caption in ("prototypes, seed 0", "this looks like that, seed 0"):
        assert re.search(rf'<img src="data:image/\S+" alt="{caption}: kmex on digits"', entry), caption
    assert 'alt="relevance-order curves: digits"' in report[: report.index('id="entries"')]


def test_what_cannot_be_shown_is_one_line_and_exit_status_2(folder):
    unknown = sembench("show", "portrait")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: unknown figure 'portrait'.")
    assert "Did you mean 'prototypes'" in sembench("show", "prototype").stderr
    wrong = sembench("show", "relevance", "--suite", "shown.toml", "--explainer", "kmx")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: unknown explainer 'kmx'. Did you mean 'kmex'")
    empty = sembench("show", "ablations", "--suite", "nothing")
    assert empty.returncode == 2
    assert "no results at" in empty.stderr
