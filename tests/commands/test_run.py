"""The command line as a person uses it: killed, interrupted, started again."""

import re
import signal

import pytest
from filelock import FileLock

from command_line import imported, process, sembench
from places import RESULTS, TESTS
from sembench.plugins.registry import EXPLAINERS
from sembench.results.result import read_result
from sembench.running.progress import PlainReporter

SUITE = """
name = "small"
title = "For tests of the command line"
seeds = [0]
metrics = ["accuracy", "accuracy_gap", "ghosting", "lrp_kl", "ro_auroc", "diversity"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 2
learning_rate = 0.05
batch_size = 128
[evaluation]
explained_images = 10
steps = 4
[[datasets]]
name = "digits"
image_size = 33
[[explainers]]
name = "kmex"
[[explainers]]
name = "b34"
[[explainers]]
name = "shuffled"
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run, to compare with."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(SUITE)
    done = sembench("run", "--suite", folder / "small.toml", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out"


def numbers(folder):
    """Scores and hashes of every result below a folder."""
    found = {}
    for path in sorted(folder.rglob("seed-*.json")):
        result = read_result(path)
        found[path.name, result.explainer] = result.scores, result.provenance.model_sha256
    return found


KILLED = """
import os
import signal
from pathlib import Path

replace = Path.replace


def killed(path, target):
    if target.name == "seed-0.json":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)


Path.replace = killed
"""


@pytest.mark.slow
def test_a_process_killed_at_its_first_result_goes_on_to_the_same_numbers(suite, tmp_path, finished):
    """Killed just before the complete file gets its name; every other place: `test_trained_explainers.py`."""
    out, plugin = tmp_path / "out", tmp_path / "killed.py"
    plugin.write_text(KILLED)
    dead = process("run", "--suite", suite, "--out", out, "--plugin", plugin)
    assert dead.returncode == -signal.SIGKILL
    assert "training the black box" in dead.stdout
    assert (numbers(out), len(list(out.rglob("*.part")))) == ({}, 1)
    done = sembench("run", "--suite", suite, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "training the black box" not in done.stdout
    assert numbers(out) == numbers(finished)
    assert len(numbers(out)) == 3


def test_ctrl_c_says_how_to_go_on_and_leaves_no_half_file(suite, tmp_path, monkeypatch):
    def interrupted(reporter, cell, text):
        if text.startswith("training the black box, epoch 1"):
            raise KeyboardInterrupt  # what Python makes of the signal

    monkeypatch.setattr(PlainReporter, "phase", interrupted)
    stopped = sembench("run", "--suite", suite, "--out", tmp_path / "out")
    assert stopped.returncode == 130
    assert stopped.stderr == "stopped; what is finished is kept. The same command goes on from here.\n"
    assert list((tmp_path / "out").rglob("*.part")) == []


def test_a_second_run_on_the_same_folder_is_refused_while_the_first_goes_on(suite, tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"):  # what a run holds from its first to its last moment
        second = sembench("run", "--suite", suite, "--out", tmp_path / "out")
    assert second.returncode == 2
    assert "another process is writing to" in second.stderr


def test_a_finished_run_recomputes_nothing_and_loads_no_torch(suite, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("seed-*.json")}
    modules, done = imported("run", "--suite", suite, "--out", finished)
    assert done.returncode == 0
    assert "3 done, 0 to run" in done.stdout
    assert "torch" not in modules
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("seed-*.json")} == before


def test_help_loads_no_torch():
    modules, done = imported("--help")
    assert done.returncode == 0
    assert "typer" in modules
    assert not {"torch", "pandas", "matplotlib", "sklearn"} & modules


def test_results_of_other_settings_are_not_overwritten_unless_asked(suite, finished, tmp_path):
    before = numbers(finished)
    done = sembench("run", "--suite", suite, "--out", finished, "--epochs", 1)
    assert done.returncode == 2
    assert "3 results in" in done.stderr
    assert "computed with other settings" in done.stderr
    assert "training.epochs 2 -> 1. Use another --out" in done.stderr
    assert numbers(finished) == before
    done = sembench("run", "--suite", suite, "--out", finished, "--variants")
    assert done.returncode == 2
    assert "evaluation.variants false -> true. Use another --out" in done.stderr


def test_refresh_computes_only_what_is_stale_or_damaged(suite, finished, tmp_path):
    out = tmp_path / "out"
    for path in finished.rglob("*.json"):
        (out / path.relative_to(finished)).parent.mkdir(parents=True, exist_ok=True)
        (out / path.relative_to(finished)).write_bytes(path.read_bytes())
    damaged = out / "small" / "digits" / "kmex" / "seed-0.json"
    damaged.write_text("{")
    done = sembench("run", "--suite", suite, "--out", out, "--cache", finished / "cache")
    assert done.returncode == 0, done.stderr
    assert "2 done, 1 to run" in done.stdout
    assert "It is computed again" in done.stderr
    assert numbers(out) == numbers(finished)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "quikc"], "unknown suite 'quikc'. Did you mean 'quick'"),
        (["--explainer", "kmx"], "unknown explainer 'kmx'. Did you mean 'kmex'"),
        (["--dataset", "mnst"], "unknown data set 'mnst'. Did you mean 'mnist'"),
        (["--explainer", "my method"], "unknown explainer 'my method'"),
        (["--device", "warp", "--explainer", "kmex"], "device 'warp' cannot be used"),
    ],
)
def test_a_wrong_name_is_one_line_and_status_2(tmp_path, arguments, message):
    done = sembench("run", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


FUSSY = """
from dataclasses import dataclass

from sembench_baselines.kmex import KMEx
from sembench.plugins.registry import EXPLAINERS


@EXPLAINERS.register("fussy")
@dataclass(frozen=True)
class Fussy(KMEx):
    def __post_init__(self):
        raise ValueError("lr must be positive")
"""


def test_check_names_a_recipe_that_cannot_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr(EXPLAINERS, "_objects", dict(EXPLAINERS._objects))
    (tmp_path / "plug.py").write_text(FUSSY)
    done = sembench("check", "fussy", "--plugin", tmp_path / "plug.py")
    assert done.returncode == 1
    assert "broken      recipe              fussy: ValueError: lr must be positive. Hyper-parameters" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "leaderboard", "report", "claims"])
def test_a_file_where_a_folder_should_be_is_one_line_and_status_2(tmp_path, command):
    (tmp_path / "file").write_text("mine")
    options = ["--epochs", 1] if command == "run" else ["--results", RESULTS, "--suite", "quick"]
    done = sembench(command, "--out", tmp_path / "file", *options)
    assert done.returncode == 2
    assert "cannot be written: File exists" in done.stderr or "cannot be written: Not a directory" in done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / 'file'}")
    assert "Traceback" not in done.stderr
    assert "training" not in done.stdout


def test_a_wrong_option_is_a_usage_error():
    done = sembench("run", "--sede", 1)
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_a_data_set_that_is_not_there_fails_its_runs_and_says_where_it_looked(tmp_path):
    done = sembench(
        "run", "--dataset", "mnist", "--explainer", "kmex", "--seed", 0, "--out", tmp_path / "out", "--data-root",
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 of 1 runs failed" in done.stderr
    assert str(tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte") in done.stderr
    assert "--data-root" in done.stderr


def test_one_mistake_is_told_once_and_the_other_runs_go_on(suite, tmp_path):
    lost = '[[datasets]]\nname = "folder"\nparameters = { path = "lost" }\n'
    suite.write_text(SUITE.replace("seeds = [0]", "seeds = [0, 1, 2]").replace("epochs = 2", "epochs = 0") + lost)
    done = sembench("run", "--suite", suite, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "9 of 18 runs failed:" in done.stderr
    assert "small/folder/kmex/seed-0 and 8 more runs: DataMissing: looked for the folder data/lost" in done.stderr
    assert done.stderr.count("looked for the folder") == 1
    assert done.stdout.count("looked for the folder") == 1
    assert f"Beside the suite file, {tmp_path / 'lost'} is not there either" in done.stderr
    assert len(list((tmp_path / "out" / "small" / "digits").rglob("seed-*.json"))) == 9
    assert len(list((tmp_path / "out" / "small" / "folder").rglob("seed-*.error.txt"))) == 9


def test_a_mistake_of_the_whole_command_is_told_once_before_anything_runs(suite, tmp_path):
    done = sembench("run", "--suite", suite, "--out", tmp_path / "out", "--weights", "lost.pth")
    assert (done.returncode, done.stderr.count("lost.pth")) == (2, 1)
    assert not (tmp_path / "out").exists()


def test_list_names_what_is_there():
    done = sembench("list")
    for name in ("kmex", "b234", "ro_auroc", "digits", "resnet34", "quick"):
        assert f"  {name} " in done.stdout


def test_a_leaderboard_without_results_says_what_to_run(tmp_path):
    done = sembench("leaderboard", "--results", tmp_path)
    assert done.returncode == 2
    assert "sembench run" in done.stderr


def test_the_board_is_made_and_checked(finished, tmp_path):
    made = sembench("leaderboard", "--results", finished, "--out", tmp_path)
    assert made.returncode == 0, made.stderr
    names = {path.name for path in (tmp_path / "small").iterdir()}
    assert {"board.md", "board.csv", "board.tex", "radar.png", "radar.svg"} <= names
    assert sembench("leaderboard", "--results", finished, "--out", tmp_path, "--check").returncode == 0
    (tmp_path / "small" / "board.csv").write_text("edited")
    stale = sembench("leaderboard", "--results", finished, "--out", tmp_path, "--check")
    assert stale.returncode == 1
    assert "board.csv" in stale.stderr


def test_tables_go_into_a_document_and_are_checked_there(tmp_path):
    document, command = (
        tmp_path / "page.md",
        ("leaderboard", "--results", RESULTS, "--suite", "quick", "--out", tmp_path / "board"),
    )
    document.write_text("# Mine\n<!-- board: quick / digits / Predictions --><!-- end of board -->\nend\n")
    assert sembench(*command, "--into", document).returncode == 0
    assert document.read_text().startswith("# Mine\n")
    assert "| kmex " in document.read_text()
    assert sembench(*command, "--into", document, "--check").returncode == 0
    document.write_text(document.read_text().replace("| kmex ", "| kmeX "))
    stale = sembench(*command, "--into", document, "--check")
    assert (stale.returncode, stale.stderr) == (1, f"stale: {document}\n")
    document.write_text("<!-- board: other / digits / Predictions --><!-- end of board -->")
    refused = sembench(*command, "--into", document)
    assert refused.returncode != 0
    assert "there is no board of the suite 'other'" in refused.stderr


OWN = TESTS / "support" / "own_networks.py"


def test_inspect_says_what_fits_a_network_of_one_s_own():
    shown = sembench("inspect", f"{OWN}:Perceptron", "--image-size", 32, "--block", "features.2")
    assert shown.returncode == 0, shown.stderr
    assert "cnn              not applicable: its head is not a linear layer" in shown.stdout
    wrong = sembench("inspect", f"{OWN}:Perceptron", "--image-size", 32, "--block", "nowhere")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: block 'nowhere' is no step of the network")


def test_inspect_lists_metrics_and_what_a_run_will_take():
    shown = sembench("inspect", f"{OWN}:Mobile", "--image-size", 32, "--mean", 0.5, 0.5, 0.5, "--std", 0.5, 0.5, 0.5)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^time +about [0-9.e+]+ ms an image forward", shown.stdout, re.MULTILINE)
    assert re.search(r"^memory +about [0-9.,]+ MB of weights, [0-9,]+ MB of feature maps", shown.stdout, re.MULTILINE)
    assert "a run       about 7,000 images and" in shown.stdout
    kmex = shown.stdout.partition("\nkmex ")[2].partition("\nkmex")[0]
    assert "accuracy, accuracy_train, accuracy_gap, ghosting" in kmex
    blackbox = shown.stdout.partition("\nblackbox ")[2]
    assert "not ghosting" in blackbox.split("\n", 3)[2]


def test_inspect_takes_the_networks_of_a_suite_at_the_size_of_its_data(suite):
    shown = sembench("inspect", "--suite", suite)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("data set    digits, 33 pixels")
    both = sembench("inspect", "resnet10-narrow", "--suite", suite)
    assert (both.returncode, "give either a network" in both.stderr) == (2, True)
    wrong = sembench("inspect", "resnet10-narrow", "--embedding", "sum")
    assert (wrong.returncode, "embedding: Input should be" in wrong.stderr) == (2, True)
    none = sembench("inspect", "shouting-net", "--plugin", "no_such_plugin")
    assert (none.returncode, "no_such_plugin" in none.stderr) == (2, True)


def test_a_network_of_one_s_own_stands_in_for_the_suite_s(suite, tmp_path):
    command = ["run", "--suite", suite, "--out", tmp_path / "out", "--explainer", "kmex", "--backbone", f"{OWN}:Mixed"]
    done = sembench(*command, "--frozen")
    assert done.returncode == 0, done.stderr
    result = read_result(tmp_path / "out" / "small" / "digits" / "kmex" / "seed-0.json")
    assert result.settings["backbone"] == {"name": f"{OWN}:Mixed", "weights": "none", "frozen": True}
    assert result.provenance.backbone_training["epochs"] == 0
    again = sembench(*command, "--frozen")
    assert "1 done, 0 to run" in again.stdout
    assert "loading torch" not in again.stdout
    missing = sembench(*command, "--weights", tmp_path / "none.pth")
    assert missing.returncode == 2
    assert "none.pth' cannot be read" in missing.stderr
