"""The runner: complete results, honest failures, nothing lost."""

import dataclasses
import errno
import json
import os

import pytest
import torch

from sembench import files as writing
from sembench.errors import DiskFull, FolderBusy, NotWritable, PluginBroken, SuiteInvalid, UnknownName
from sembench.plugins.registry import EXPLAINERS
from sembench.results.result import read_result
from sembench.results.score import NotApplicable
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.suites.plan import plan, status
from sembench.types import Prototypes
from sembench_baselines.kmex import KMEx, KMExModel

pytestmark = pytest.mark.slow


class Recorder:
    """A reporter that remembers, and can stop a run at a phase."""

    def __init__(self, stop_at=None):
        self.phases, self.notes, self.ends, self.stop_at = [], [], [], stop_at

    def phase(self, cell, text):
        self.phases.append(f"{cell.entry}: {text}")
        if self.stop_at is not None and len(self.phases) == self.stop_at:
            raise KeyboardInterrupt

    def note(self, text):
        self.notes.append(text)

    def finished(self, cell, result, seconds):
        self.ends.append(cell.name)

    def failed(self, cell, error):
        self.ends.append(error)


@pytest.fixture
def run(tmp_path, tiny_cache, tiny_suite):
    """Runs cells of the tiny suite into a fresh folder, on the shared store of backbones."""

    def go(cells=None, *, out=tmp_path / "out", cache=tiny_cache, reporter=None, **selection):
        cells = plan(tiny_suite, **selection) if cells is None else cells
        runner = Runner(out, Cache(cache), tmp_path, "cpu", reporter or Recorder())
        return runner.run(cells), out

    return go


def scores(path):
    """What must repeat to the last bit: everything but times, memory and the date."""
    result = read_result(path)
    return result.scores, result.provenance.backbone_sha256, result.provenance.model_sha256, result.explained_images


def wrong(**behaviour):
    """Registers, for one test, an explainer that misbehaves, under a name of its own."""
    name = "wrong-" + "-".join(behaviour)

    class Model(KMExModel):
        def embed(self, images):
            if behaviour.get("raises"):
                raise RuntimeError("halfway")
            return super().embed(images) * behaviour.get("factor", 1.0)

        def attribute(self, images, targets=None):
            maps = super().attribute(images, targets)
            return maps[:, :-1] if behaviour.get("crop") else maps

    @dataclasses.dataclass(frozen=True)
    class Recipe(KMEx):
        def fit(self, backbone, train, *, generator):
            if behaviour.get("trains"):
                backbone.classifier.weight.data.mul_(2)
            return Model(backbone, super().fit(backbone, train, generator=generator).prototypes, self)

        def restore(self, backbone, state):
            return Model(backbone, Prototypes(state["vectors"], state["classes"]), self)

    EXPLAINERS._objects[name] = Recipe
    return name


@pytest.fixture(autouse=True)
def _registry_is_restored():
    before = dict(EXPLAINERS._objects)
    yield
    EXPLAINERS._objects.clear()
    EXPLAINERS._objects.update(before)


def test_a_cell_leaves_one_complete_result(run, tiny_suite):
    summary, out = run()
    assert not summary.failed
    assert len(summary.finished) == 3
    for cell in plan(tiny_suite):
        state, result = status(cell, out)
        assert state == "done"
        assert list(result.scores) == list(tiny_suite.metrics)
        assert len(result.scores["accuracy"].values) == 50
        assert len(result.explained_images) == 10
    assert [p.name for p in out.rglob("*.part")] == []


def test_a_metric_that_does_not_apply_says_why(run, tiny_suite):
    _, out = run(explainers=["blackbox"])
    score = read_result(plan(tiny_suite, explainers=["blackbox"])[0].path(out)).scores["ghosting"]
    assert isinstance(score, NotApplicable)
    assert score.reason == "a black box has no prototypes"


def test_the_black_box_is_its_own_reference(run, tiny_suite):
    _, out = run(explainers=["blackbox"])
    found = read_result(plan(tiny_suite, explainers=["blackbox"])[0].path(out)).scores
    assert set(found["accuracy_gap"].values) == {0}
    assert set(found["lrp_kl"].values) == {0}
    assert min(found["lrp_kl"].chance) > 0


def test_the_same_seed_gives_the_same_scores_to_the_last_bit(run, tmp_path, tiny_suite):
    for name in ("first", "second"):
        run(out=tmp_path / name, cache=tmp_path / f"cache of {name}")
    for cell in plan(tiny_suite):
        assert scores(cell.path(tmp_path / "first")) == scores(cell.path(tmp_path / "second"))


def test_another_seed_gives_another_model(run, tmp_path, tiny_suite):
    _, out = run(seeds=[0, 1], explainers=["kmex"])
    hashes = {scores(cell.path(out))[1] for cell in plan(tiny_suite, seeds=[0, 1], explainers=["kmex"])}
    assert len(hashes) == 2


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [7, 100])
def test_the_batch_size_changes_no_score(run, tmp_path, tiny_suite, batch_size):
    """Scores per image may move by rounding; a decision on the edge may not be hidden by a mean."""
    evaluation = tiny_suite.evaluation.model_copy(update={"batch_size": batch_size})
    cells = plan(tiny_suite.model_copy(update={"evaluation": evaluation}))
    run(cells, out=tmp_path / "other")
    _, out = run()
    for cell in cells:
        one, two = (read_result(cell.path(folder)).scores for folder in (out, tmp_path / "other"))
        for name, score in one.items():
            if not isinstance(score, NotApplicable):
                assert two[name].values == pytest.approx(score.values, abs=1e-3), name


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 6, 8])
def test_an_interrupted_run_ends_with_the_same_numbers(run, tmp_path, tiny_suite, stop_at):
    reporter, cache = Recorder(stop_at), tmp_path / "its own cache"
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path / "stopped", cache=cache, reporter=reporter)
    run(out=tmp_path / "stopped", cache=cache)
    _, out = run()
    for cell in plan(tiny_suite):
        assert scores(cell.path(tmp_path / "stopped")) == scores(cell.path(out))
    assert list((cache / "checkpoint").glob("*")) == []


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"factor": float("nan")}, "NaN"),
        ({"raises": True}, "halfway"),
        ({"crop": True}, "relevance has shape"),
        ({"trains": True}, "changed the weights of the backbone"),
    ],
)
def test_an_explainer_that_breaks_its_promise_fails_alone(run, tiny_suite, behaviour, message):
    name = wrong(**behaviour)
    cells = plan(tiny_suite, explainers=["blackbox", name, "kmex"])
    summary, out = run(cells)
    assert [cell.entry for cell in summary.finished] == ["blackbox", "kmex"]
    assert message in str(summary.failed[cells[1].name])
    assert not cells[1].path(out).exists()
    assert "Traceback" in cells[1].path(out).with_suffix(".error.txt").read_text()
    reference, other = scores(cells[2].path(out)), scores(cells[0].path(out))
    assert reference[1] == other[1], "the entry after the failure is paired with the untouched backbone"


def test_a_recipe_that_cannot_be_made_fails_alone(run, tiny_suite, monkeypatch):
    class Fussy(KMEx):
        def __post_init__(self):
            raise ValueError("lr must be positive")

    monkeypatch.setitem(EXPLAINERS._objects, "fussy", Fussy)
    cells = plan(tiny_suite, explainers=["fussy", "blackbox"])
    summary, out = run(cells)
    assert [cell.entry for cell in summary.finished] == ["blackbox"]
    (error,) = summary.failed.values()
    assert isinstance(error, PluginBroken)
    assert "ValueError: lr must be positive" in str(error)
    assert "lr must be positive" in cells[0].path(out).with_suffix(".error.txt").read_text()


def test_a_folder_that_cannot_be_written_to_stops_before_anything_runs(run, tmp_path):
    (tmp_path / "file").write_text("")
    reporter = Recorder()
    with pytest.raises(NotWritable, match="file cannot be written: File exists"):
        run(out=tmp_path / "file", reporter=reporter)
    assert reporter.phases == []


def test_a_cell_whose_place_cannot_be_written_fails_alone_and_before_it_is_computed(run, tmp_path, tiny_suite):
    """Neither its result nor its traceback can be kept."""
    cells = plan(tiny_suite, explainers=["kmex", "blackbox"])
    place = cells[0].path(tmp_path / "out").parent
    place.parent.mkdir(parents=True)
    place.write_text("a file where the folder should be")
    reporter = Recorder()
    summary, _ = run(cells, reporter=reporter)
    assert [cell.entry for cell in summary.finished] == ["blackbox"]
    assert isinstance(summary.failed[cells[0].name], NotWritable)
    assert len(reporter.notes) == 1
    assert f"the traceback of {cells[0].name} is lost: " in reporter.notes[0]
    assert not any(phase.startswith("kmex:") for phase in reporter.phases)


def test_a_folder_is_free_again_after_a_run_that_was_stopped(run):
    with pytest.raises(KeyboardInterrupt):
        run(explainers=["kmex"], reporter=Recorder(stop_at=1))
    summary, _ = run(explainers=["kmex"])
    assert not summary.failed


def test_a_failure_note_goes_once_the_cell_succeeds(run, tiny_suite):
    name = wrong(raises=True)
    cells = plan(tiny_suite, explainers=[name])
    _, out = run(cells)
    assert cells[0].path(out).with_suffix(".error.txt").exists()
    EXPLAINERS._objects[name] = KMEx
    summary, _ = run(cells)
    assert not summary.failed
    assert not cells[0].path(out).with_suffix(".error.txt").exists()


def test_too_many_prototypes_is_an_answer_not_a_crash(run, tiny_suite):
    spec = tiny_suite.explainers[0].model_copy(update={"parameters": {"prototypes_per_class": 1000}})
    summary, _ = run(plan(tiny_suite.model_copy(update={"explainers": (spec,)})))
    (error,) = summary.failed.values()
    assert "fewer than the 1000 prototypes asked for" in str(error)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"prototypes": 3}, SuiteInvalid, "Hyper-parameters of kmex are: prototypes_per_class"),
        ({"similarity": "distanse"}, UnknownName, "Did you mean 'distance'"),
    ],
)
def test_wrong_hyperparameters_stop_before_anything_runs(run, tiny_suite, parameters, error, message):
    spec = tiny_suite.explainers[0].model_copy(update={"parameters": parameters})
    reporter = Recorder()
    with pytest.raises(error, match=message):
        run(plan(tiny_suite.model_copy(update={"explainers": (spec,)})), reporter=reporter)
    assert reporter.phases == []


def test_a_damaged_cached_model_is_computed_again(run, tmp_path, tiny_suite):
    cache, reporter = tmp_path / "cache", Recorder()
    run(explainers=["kmex"], cache=cache)
    for path in cache.rglob("*.safetensors"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    run(explainers=["kmex"], cache=cache, out=tmp_path / "again", reporter=reporter)
    assert sum("It is computed again" in note for note in reporter.notes) == 2
    (cell,) = plan(tiny_suite, explainers=["kmex"])
    assert scores(cell.path(tmp_path / "again")) == scores(cell.path(tmp_path / "out"))


def test_a_full_disk_stops_the_run_and_keeps_what_is_there(run, tmp_path, tiny_suite, monkeypatch):
    run(explainers=["kmex"])
    kept = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(DiskFull, match=r"no room to write .*seed-0\.json"):
        run(explainers=["b4", "blackbox"])
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")} == kept
    assert list((tmp_path / "out").rglob("*.part")) == []


def test_two_runs_cannot_write_to_one_folder(run, tiny_suite):
    class Intruder(Recorder):
        def phase(self, cell, text):
            with pytest.raises(FolderBusy, match="another process is writing"):
                run()
            self.phases.append(text)

    reporter = Intruder()
    run(explainers=["kmex"], reporter=reporter)
    assert reporter.phases


def test_an_unknown_device_is_refused(run, tmp_path):
    with pytest.raises(SuiteInvalid, match="device 'warp' cannot be used"):
        Runner(tmp_path, Cache(tmp_path), tmp_path, "warp", Recorder())


def test_settings_of_determinism_and_global_streams_are_restored(run):
    torch.use_deterministic_algorithms(False)
    before = torch.get_rng_state()
    run(explainers=["kmex"])
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(before, torch.get_rng_state())


def test_costs_are_exact_counts(run, tiny_suite, tmp_path):
    _, out = run(explainers=["kmex"], cache=tmp_path / "cache")
    cost = read_result(plan(tiny_suite, explainers=["kmex"])[0].path(out)).cost
    assert (cost.fit_passes, cost.fit_images) == (1, 200)
    # 200 training and 50 test images once. 10 explained images: 5 points of two curves, one pass for the decided class,
    # one for a class map, two for a prototype map and to know of which prototype.
    assert cost.evaluation_images == 200 + 50 + 10 * (2 * 5 + 1 + 1 + 2)
    assert cost.explain_images == 2  # which prototype is most similar, and its map
    assert cost.own_parameters == 50 * 256 + 50


def test_who_came_before_changes_neither_a_score_nor_a_cost(run, tiny_suite, tmp_path):
    """Entries share the passes of the frozen network; what is told of each must not show it."""

    def told(folder, entries):
        _, out = run(explainers=entries, out=tmp_path / folder, cache=tmp_path / folder / "cache")
        found = read_result(plan(tiny_suite, explainers=["kmex"])[0].path(out))
        cost = found.cost
        return found.scores, cost.fit_passes, cost.fit_images, cost.evaluation_passes, cost.evaluation_images

    assert told("alone", ["kmex"]) == told("last", ["blackbox", "b4", "kmex"])


def test_provenance_names_everything_that_a_repetition_needs(run, tiny_suite):
    _, out = run(explainers=["kmex"])
    path = plan(tiny_suite, explainers=["kmex"])[0].path(out)
    found = json.loads(path.read_text())["provenance"]
    assert found["packages"]["torch"] == torch.__version__ or found["packages"]["torch"] in torch.__version__
    assert found["deterministic"] is True
    assert found["dataset_sizes"] == {"train": 200, "test": 50}
    assert len(found["dataset_sha256"]) == len(found["backbone_sha256"]) == len(found["model_sha256"]) == 64
    assert set(found["sources"]) >= {"instrument", "explainer", "dataset", "backbone", "metric accuracy"}
    assert str(path.parent.parent) not in json.dumps(found)
