"""Submitted or verified: the words of a board about an entry, and when they end."""

import json
from pathlib import PurePosixPath

import pytest

from sembench.results.result import read_result
from sembench_leaderboard.board.board import board
from sembench_leaderboard.submission.records import Recomputed, standing, write_marks
from sembench_leaderboard.submission.validate import validate

FIRST, SECOND = (PurePosixPath(f"quick/digits/mine/seed-{seed}.json") for seed in range(2))
RUN = Recomputed(
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
    write_marks(submission.root, {FIRST: RUN})
    assert said() == "verified: 1 of 2 runs, bit for bit"
    write_marks(submission.root, {SECOND: RUN.model_copy(update={"agreement": "within tolerance"})})
    assert said() == "verified: 2 of 2 runs, bit for bit and within tolerance"
    assert validate(submission.root).problems == ()


def test_a_changed_result_is_verified_no_more(submission, said):
    write_marks(submission.root, {FIRST: RUN})
    submission.edit(lambda content: content["cost"].update(fit_seconds=0.5), "seed-1.json")
    assert said() == "submitted, results changed since they were verified"
    fields = [problem.field for problem in validate(submission.root).problems]
    assert fields == ["files.quick/digits/mine/seed-1.json"]
    write_marks(submission.root, {SECOND: RUN})
    assert said() == "verified: 1 of 2 runs, bit for bit"  # the run of before does not count any more


@pytest.mark.parametrize("change", [{"entry": "other"}, {"runs": {"quick/digits/mine/seed-9.json": RUN.model_dump()}}])
def test_a_mark_fits_its_place_and_names_its_own_runs(submission, change):
    (path,) = write_marks(submission.root, {FIRST: RUN})
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    (problem,) = validate(submission.root).problems
    assert (problem.file, problem.field) == ("verified/quick/mine.json", "entry")


def test_the_board_says_so(submission):
    results = [read_result(path) for path in sorted(submission.root.glob("*/*/*/seed-*.json"))]
    page = board(results, standing([submission.root], results))["quick/board.md"].decode()
    assert "## Submitted and verified" in page
    assert "- mine: submitted" in page
    assert "Submitted and verified" not in board(results)["quick/board.md"].decode()
