"""`sembench validate`: offline, without torch."""

import builtins
import json
import os
import pickle
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import sembench_leaderboard.submission.validate as validator
from places import ROOT
from sembench.cli.main import app
from sembench.errors import SembenchError


def validate(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)], catch_exceptions=False)


def test_it_loads_no_torch_and_no_plugin(submission):
    done = subprocess.run(
        [sys.executable, "-m", "sembench", "validate", submission.root, "--base", submission.base],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 results of 1 entries, no problems found" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "sembench_leaderboard.submission.validate" in loaded
    assert not loaded & {"torch", "sklearn", "zennit", "sembench_baselines", "matplotlib"}


def test_nothing_is_run_unpickled_or_sent(submission, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a validation only reads")

    for module, names in {
        pickle: ("load", "loads", "Unpickler"),
        socket: ("socket", "create_connection"),
        subprocess: ("Popen",),
        os: ("system", "posix_spawn"),
        builtins: ("eval", "exec", "compile"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, never)
    verdict = validator.validate(submission.root, base=submission.base)
    monkeypatch.undo()
    assert verdict.problems == ()


def test_a_refusal_has_exit_status_1_and_one_line_per_problem(submission):
    submission.path("seed-1.json").unlink()
    done = validate(submission.root)
    assert done.exit_code == 1
    assert "quick/digits/mine/seed-1.json: seed: is missing" in done.stderr
    assert f"{submission.root}: refused, 2 problems." in done.stderr


def test_a_part_of_the_base_is_accepted_and_said_to_be_a_part(submission):
    done = validate(submission.root, "--base", submission.base)
    assert done.exit_code == 0, done.stderr
    assert f"Other entries of {submission.base} may be missing here; --whole asks for all of them." in done.stdout
    done = validate(submission.root, "--base", submission.base, "--whole")
    assert done.exit_code == 1
    assert "quick/digits/kmex/seed-0.json: the file: stands in the base (a result), and is not there any" in done.stderr


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SembenchError, match="is no folder"):
        validate(tmp_path / "nothing")


def test_accepted_results_of_an_older_version_are_named_once_for_each_metric_and_suite(base):
    for path in (base / "quick/digits").glob("*/seed-*.json"):
        content = json.loads(path.read_text())
        content["scores"]["lrp_kl"]["measure"]["version"] = 0
        path.write_text(json.dumps(content))
    done = validate(base, "--suite", ROOT / "leaderboard/suites/birds.toml")
    assert done.exit_code == 0, done.stderr
    (note,) = (line for line in done.stdout.splitlines() if " old: " in line)
    assert note.startswith("quick: old: version 0 of LRP-KL; ")
    assert note.endswith("(8 results, accepted before)")
