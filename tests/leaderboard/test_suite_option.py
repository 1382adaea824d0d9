"""A suite is asked for by its name or by its file, whatever command reads its results."""

import pytest

from command_line import sembench
from sembench.results.result import write_result

SUITE = """
name = "mine"
metrics = ["accuracy"]
[backbone]
name = "resnet10-narrow"
[training]
epochs = 1
learning_rate = 0.05
batch_size = 32
[[datasets]]
name = "digits"
[[explainers]]
name = "kmex"
"""
CURVES = dict.fromkeys(
    ("curve", "random curve", "curve standard deviation", "random curve standard deviation"), (0.5, 0.25, 0.0)
)
COMMANDS = ("leaderboard", "report", "claims", "statistics", "sensitivity", "papers", "prototypes", "show curves")


@pytest.fixture(scope="module")
def folder(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "photos.toml").write_text(SUITE)
    scores = {
        "accuracy_gap": build.scored("accuracy_gap", [0.0, -1.0]),
        "ghosting": build.scored("ghosting", [1, 0]),
        "ro_auroc": build.scored("ro_auroc", [0.5], details=CURVES),
    }
    for suite in ("mine", "other"):
        for explainer in ("kmex", "b4"):
            for seed in range(2):
                write_result(folder / "runs", build.result(scores, suite=suite, explainer=explainer, seed=seed))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_suite_is_asked_for_by_name_or_by_file(folder, command, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    by_name, by_file = (
        sembench(*command.split(), "--results", "runs", "--suite", asked, "--out", tmp_path)
        for asked in ("mine", "photos.toml")
    )
    assert (by_file.stdout, by_file.stderr) == (by_name.stdout, by_name.stderr)
    assert by_name.returncode == by_file.returncode == 0, by_name.stderr
    assert "mine" in by_name.stdout
    assert "other" not in by_name.stdout.replace(str(tmp_path), "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_suite_file_that_is_not_there_or_wrong_is_one_line(folder, command, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    (folder / "wrong.toml").write_text("name = 3")
    for asked, reason in (("nowhere.toml", "cannot be read"), ("wrong.toml", "name")):
        done = sembench(*command.split(), "--results", "runs", "--suite", asked, "--out", tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith("error: ")
        assert reason in done.stderr
