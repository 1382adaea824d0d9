"""The command line in this process, which costs no start of torch, or in one of its own where the process matters."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest import mock

from sembench.cli.main import main


def sembench(*arguments):
    """Runs a command in this process; returns its exit status and what it printed, as `subprocess.run` does."""
    words, out, err, status = ["sembench", *map(str, arguments)], StringIO(), StringIO(), 0
    with mock.patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def process(*arguments, **environment):
    """Runs a command in a process of its own, with one thread for torch as in the tests."""
    return subprocess.run(
        [sys.executable, "-m", "sembench", *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def imported(*arguments):
    """The modules that a process loads for a command, and what the process gave."""
    done = process(*arguments, PYTHONPROFILEIMPORTTIME="1")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}, done
