"""Submitted or verified: what a board may say of an entry, and when it stops saying so."""

from pathlib import PurePosixPath

import pytest

from sembench.errors import UnknownName
from sembench.results.result import read_result
from sembench_leaderboard.board.board import board
from sembench_leaderboard.submission.marks import Recomputed, standing, write_marks
from sembench_leaderboard.submission.validate import validate
from sembench_leaderboard.submission.verify import choose

PATHS = [PurePosixPath(f"quick/digits/kmex/seed-{seed}.json") for seed in range(20)]
FIRST, SECOND = (PurePosixPath(f"quick/digits/mine/seed-{seed}.json") for seed in range(2))
CELL = Recomputed(
    created="2026-01-01T00:00:00+00:00", device="cpu", processor="x", torch="2", agreement="bit for bit",
    differences={"accuracy": 0.0},
)  # fmt: skip


@pytest.fixture
def said(submission):
    def read():
        results = [read_result(path) for path in submission.root.glob("*/*/*/seed-*.json")]
        return standing([submission.root], results).get(("quick", "mine"))

    return read


def test_an_entry_with_a_manifest_is_submitted_until_it_is_verified(submission, said):
    assert said() == "submitted"
    write_marks(submission.root, {FIRST: CELL})
    assert said() == "verified: 1 of 2 cells, bit for bit"
    write_marks(submission.root, {SECOND: CELL.model_copy(update={"agreement": "within tolerance"})})
    assert said() == "verified: 2 of 2 cells, bit for bit and within tolerance"
    assert validate(submission.root).complaints == ()


def test_a_changed_result_is_verified_no_more(submission, said):
    write_marks(submission.root, {FIRST: CELL})
    submission.edit(lambda content: content["cost"].update(fit_seconds=0.5), "seed-1.json")
    assert said() == "submitted, results changed since they were verified"
    fields = [complaint.field for complaint in validate(submission.root).complaints]
    assert fields == ["files.quick/digits/mine/seed-1.json"]
    write_marks(submission.root, {SECOND: CELL})
    assert said() == "verified: 1 of 2 cells, bit for bit"  # the cell of before does not count any more


def test_the_board_says_so(submission):
    results = [read_result(path) for path in sorted(submission.root.glob("*/*/*/seed-*.json"))]
    page = board(results, standing([submission.root], results))["quick/board.md"].decode()
    assert "## Submitted and verified" in page
    assert "- mine: submitted" in page
    assert "Submitted and verified" not in board(results)["quick/board.md"].decode()


def test_the_lot_depends_on_the_seed_and_on_nothing_else():
    drawn = choose(PATHS, count=5, seed=3)
    assert drawn == choose(reversed(PATHS), count=5, seed=3)
    assert len(set(drawn)) == 5
    assert drawn != choose(PATHS, count=5, seed=4)
    assert choose(PATHS, count=100, seed=0) == sorted(PATHS)


def test_the_lot_is_fair():
    counts = dict.fromkeys(PATHS, 0)
    for seed in range(2000):
        for path in choose(PATHS, count=5, seed=seed):
            counts[path] += 1
    assert all(420 < count < 580 for count in counts.values())  # 500 expected, standard deviation 19


def test_cells_can_be_named():
    assert choose(PATHS, count=5, seed=0, named=["quick/digits/kmex/seed-7"]) == [PATHS[7]]
    with pytest.raises(UnknownName, match="unknown cell 'quick/digits/kmex/seed-99'"):
        choose(PATHS, count=5, seed=0, named=["quick/digits/kmex/seed-99"])
