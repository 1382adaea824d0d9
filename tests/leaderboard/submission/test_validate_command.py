"""`sembench validate`, from another process: fast, offline, without torch."""

import builtins
import os
import pickle
import socket
import subprocess
import sys

import sembench_leaderboard.submission.validate as validator


def validate(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sembench", "validate", *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
    )  # fmt: skip


def test_it_loads_no_torch_and_no_plugin(submission):
    done = validate(submission.root, "--base", submission.base)
    assert done.returncode == 0, done.stderr
    assert "2 results of 1 entries, nothing to complain of" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert not loaded & {"torch", "sklearn", "zennit", "baselines", "matplotlib"}


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
    assert verdict.complaints == ()


def test_a_refusal_has_exit_status_1_and_one_line_per_complaint(submission):
    submission.path("seed-1.json").unlink()
    done = validate(submission.root)
    assert done.returncode == 1
    assert "quick/digits/mine/seed-1.json: seed: is missing" in done.stderr
    assert f"{submission.root}: refused, 2 complaints." in done.stderr


def test_a_part_of_the_base_is_accepted_and_said_to_be_a_part(submission):
    done = validate(submission.root, "--base", submission.base)
    assert done.returncode == 0, done.stderr
    assert f"Other entries of {submission.base} may be missing here; --whole asks for all of them." in done.stdout
    done = validate(submission.root, "--base", submission.base, "--whole")
    assert done.returncode == 1
    assert "quick/digits/kmex/seed-0.json: the file: stands in the base (a result), and is not there any" in done.stderr


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    done = validate(tmp_path / "nothing")
    assert done.returncode == 2
    assert "is no folder" in done.stderr
