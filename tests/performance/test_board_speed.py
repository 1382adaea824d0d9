"""The time that a board of 500 results takes, from a fresh interpreter to the last chart.

Ten methods on ten data sets with five seeds and ten metrics each; accuracy on 360 images, as on the digits, and on
10,000, as on MNIST.
"""

import subprocess
import sys

import pytest

import builders
from sembench.results.result import write_result
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.load import load

METHODS = ("blackbox", "b234", "b4", "cnn", "flint", "kmex", "protopnet", "protovae", "chance", "collapsed")
WHOLE = "import sys; from pathlib import Path; from sembench_leaderboard.board.board import write_board; \
from sembench_leaderboard.entries.load import load; write_board(load([Path(sys.argv[1])]), Path(sys.argv[2]))"


@pytest.fixture(scope="module", params=[360, pytest.param(10_000, marks=pytest.mark.slow)])
def results(request, tmp_path_factory):
    """A folder of 500 results."""
    folder = tmp_path_factory.mktemp(f"results-{request.param}")
    datasets = [f"set-{'x' * place}" for place in range(1, 11)]
    for result in builders.suite_of(METHODS, datasets, range(5), test=request.param):
        write_result(folder, result)
    return folder


def test_from_a_fresh_interpreter_to_the_last_chart(benchmark, results, tmp_path):
    def run():
        subprocess.run([sys.executable, "-c", WHOLE, results, tmp_path], check=True)

    benchmark.pedantic(run, rounds=3)
    assert (tmp_path / "quick" / "radar.svg").exists()


def test_load(benchmark, results):
    assert len(benchmark.pedantic(load, ([results],), rounds=3)) == 500


def test_aggregate(benchmark, results):
    loaded = load([results])
    assert len(benchmark.pedantic(aggregate, (loaded,), rounds=3)) == 1000
