"""Verification: which runs are drawn, what is compared, and which entries may be marked; nothing is computed here."""

from pathlib import PurePosixPath

import pytest

from places import RESULTS
from sembench.errors import UnknownName
from sembench.results.result import digest, read_result, write_result
from sembench_leaderboard.submission.verify import choose, verify

PATHS = [PurePosixPath(f"quick/digits/kmex/seed-{seed}.json") for seed in range(20)]
FIRST, SECOND = PATHS[:2]
OTHER = PurePosixPath("quick/digits/b4/seed-0.json")


@pytest.fixture
def results():
    return {path: read_result(RESULTS / path) for path in (FIRST, SECOND, OTHER)}


def computing(results, failing=()):
    """Computes these results; runs of the paths in ``failing`` raise."""

    def compute(runs, folder):
        assert list(folder.iterdir()) == []
        errors = {}
        for run in runs:
            path = PurePosixPath(f"{run.name}.json")
            if path in failing:
                errors[run.name] = RuntimeError("halfway")
            else:
                write_result(folder, results[path])
        return errors

    return compute


def edited(result):
    """The result with another number of fitted images."""
    return result.model_copy(update={"cost": result.cost.model_copy(update={"fit_images": 1})})


def test_what_is_computed_again_is_compared_and_may_be_marked(results):
    found = verify(results, results, computing(results))
    assert (found.agree, str(found)) == (True, "3 of 3 runs agree")
    assert set(found.agreements) == set(found.marks) == set(results)
    mark = found.marks[FIRST]
    assert (mark.agreement, mark.torch) == ("bit for bit", results[FIRST].provenance.packages["torch"])
    assert set(mark.differences.values()) == {0.0}


def test_only_chosen_runs_are_computed(results):
    found = verify(results, [SECOND], computing({SECOND: results[SECOND]}))
    assert (list(found.agreements), str(found)) == ([SECOND], "1 of 1 runs agree")


def test_an_entry_with_one_run_that_does_not_agree_is_not_marked(results):
    submitted = {**results, SECOND: edited(results[SECOND])}
    found = verify(submitted, submitted, computing(results))
    assert [wrong.field for wrong in found.agreements[SECOND].wrong] == ["cost.fit_images"]
    assert found.agreements[FIRST].wrong == ()
    assert list(found.marks) == [OTHER]
    assert (found.agree, str(found)) == (False, "2 of 3 runs agree")


def test_a_run_that_fails_is_counted_and_the_others_are_compared_and_marked(results):
    found = verify(results, results, computing(results, failing=[SECOND]))
    assert set(found.marks) == set(found.agreements) == {FIRST, OTHER}
    assert (found.agree, str(found)) == (False, "2 of 3 runs agree, 1 could not be recomputed")


def test_a_name_that_no_registry_knows_is_an_error_before_anything_is_computed(results):
    settings = {**results[FIRST].settings, "explainer": {"name": "kmexx", "parameters": {}}}
    renamed = results[FIRST].model_copy(update={"settings": settings, "identity": digest(settings)})
    with pytest.raises(UnknownName, match="unknown explainer 'kmexx'"):
        verify({FIRST: renamed}, [FIRST], None)


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


def test_runs_can_be_named():
    assert choose(PATHS, count=5, seed=0, named=["quick/digits/kmex/seed-7"]) == [PATHS[7]]
    assert choose(PATHS, count=5, seed=0, named=["quick/digits/kmex/seed-7.json", "quick/digits/kmex/seed-7"]) == [
        PATHS[7]
    ]
    with pytest.raises(UnknownName, match="unknown run 'quick/digits/kmex/seed-99'"):
        choose(PATHS, count=5, seed=0, named=["quick/digits/kmex/seed-99"])
