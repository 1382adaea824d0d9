"""Runs: what a result answers, and what its numbers depend on."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sembench.errors import ResultDamaged
from sembench.plugins.registry import EXPLAINERS
from sembench.results.result import digest, read_result
from sembench.suites.plan import plan, run_of, status
from sembench.suites.suite import load_suite

ROOT = Path(__file__).parents[3]
COMMITTED = sorted((ROOT / "leaderboard" / "results").rglob("seed-*.json"))

SOURCES = """
import json
from sembench.suites.plan import plan
from sembench.suites.suite import load_suite
print(json.dumps({run.entry: run.sources for run in plan(load_suite("quick"), seeds=[0])}))
"""


@pytest.fixture(scope="module")
def first():
    return read_result(COMMITTED[0])


def test_every_committed_result_names_the_run_that_it_answers():
    assert COMMITTED
    for path in COMMITTED:
        result = read_result(path)
        run = run_of(result)
        assert (run.identity, run.settings) == (result.identity, result.settings)
        assert run.path(path.parents[3]) == path
        assert run.evaluation.batch_size == result.provenance.batch_size


def test_a_run_of_the_quick_suite_comes_back_from_its_settings(first):
    for run in plan(load_suite("quick")):
        labels = {"suite": run.suite, "dataset": run.dataset, "explainer": run.entry, "seed": run.seed}
        stated = json.loads(json.dumps(run.settings))
        told = first.model_copy(update={**labels, "settings": stated, "identity": run.identity})
        assert run_of(told).settings == run.settings
        assert run_of(told).name == run.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": 3}, "settings: training: "),
        ({"backbone": None}, "settings: backbone: "),
        ({"dataset": {"name": "../x", "image_size": None}}, r"settings: data.name: .*pattern"),
        ({"evaluation": {"stepz": 3}}, "settings: evaluation.stepz: Extra inputs"),
        ({"colour": "red"}, "are not those of a suite"),
        ({"seed": 7}, "are not those of a suite, or of another seed"),
    ],
)
def test_settings_that_no_suite_has_are_refused_by_name(first, change, message):
    settings = {**first.settings, **change}
    with pytest.raises(ResultDamaged, match=message):
        run_of(first.model_copy(update={"settings": settings, "identity": digest(settings)}))


def test_sources_are_hashed_once_for_each_run(monkeypatch):
    asked, find = Counter(), EXPLAINERS.source
    monkeypatch.setattr(EXPLAINERS, "source", lambda name: asked.update([name]) or find(name))
    (run,) = plan(load_suite("quick"), explainers=["kmex"], seeds=[0])
    assert run.sources == run.sources
    assert asked == {"kmex": 1}


def test_planning_hashes_no_source(monkeypatch, tmp_path):
    monkeypatch.setattr(EXPLAINERS, "source", lambda name: pytest.fail("hashed"))
    assert all(status(run, tmp_path) == ("missing", None) for run in plan(load_suite("quick")))


def sources_of(tree):
    """Hashes of sources by entry, as a copy of the repository has them."""
    code = f"import sys; sys.path[:0] = [{str(tree / 'benchmark')!r}, {str(tree / 'baselines')!r}]\n{SOURCES}"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("file", "moved"),
    [
        ("benchmark/sembench/plugins/scaffold.py", "nothing"),
        ("benchmark/sembench/cli/run.py", "nothing"),
        ("baselines/sembench_baselines/flint.py", "flint"),
        ("benchmark/sembench/seeding.py", "everything"),
    ],
)
def test_only_what_moves_numbers_marks_results_as_older(tmp_path, file, moved):
    for root in ("benchmark", "baselines"):
        shutil.copytree(ROOT / root, tmp_path / root, ignore=shutil.ignore_patterns("__pycache__"))
    before = sources_of(tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as text:
        text.write('\n"""Another docstring."""\n')
    after = sources_of(tmp_path)
    changed = {entry for entry in before if before[entry] != after[entry]}
    expected = {"nothing": set(), "everything": set(before), "flint": {"flint"}}[moved]
    assert changed - {"kmex(flint)"} == expected - {"kmex(flint)"}
    assert "kmex" not in changed or moved == "everything"
