"""The result file: strict in, strict out, whole or not at all."""

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sembench import files as writing
from sembench.errors import DiskFull, NotWritable, ResultDamaged
from sembench.files import require_writable, write_atomically
from sembench.results import result as results
from sembench.results.result import Cost, Provenance, Result, digest, read_result, write_result
from sembench.results.score import Measure, NotApplicable, Scored

MEASURE = Measure(
    title="Accuracy", direction="higher", lower=0, upper=1, per="test image", version=1, reference="x", chance_is="x"
)


def make(**changes):
    settings = {"explainer": {"name": "kmex", "parameters": {"rate": 0.0}}, "seed": 0}
    fields = {
        "suite": "tiny", "dataset": "digits", "explainer": "kmex(protopnet)", "kind": "explainer", "seed": 0,
        "identity": digest(settings), "settings": settings, "hyperparameters": {}, "explained_images": (1, 2),
        "scores": {
            "accuracy": Scored(measure=MEASURE, values=(1.0, 0.0, 0.1 + 0.2), chance=0.1, variants={"a": (0.5,)}),
            "ghosting": NotApplicable(measure=MEASURE, reason="no prototypes"),
        },
        "cost": Cost(
            backbone_seconds=1.5, fit_seconds=0.0, fit_passes=1, fit_images=2, predict_seconds_per_image=0.1,
            explain_seconds_per_image=None, explain_images=None, evaluation_passes=1, evaluation_images=1,
            peak_memory_bytes=1, parameters=1, own_parameters=1, hyperparameters=1,
        ),
        "provenance": Provenance(
            created="2026-01-01T00:00:00+00:00", sembench="0", python="3", packages={}, sources={}, dataset_sha256="a",
            dataset_statistics={"mean": (0.1,)}, dataset_sizes={"train": 1}, dataset_licence="x", classes=2,
            backbone_sha256="b", model_sha256="c", backbone_training={}, device="cpu", threads=1, deterministic=True,
            batch_size=1, hardware={}, seeds={},
        ),
    }  # fmt: skip
    return Result(**(fields | changes))


def damaged(tmp_path, change):
    path = write_result(tmp_path, make())
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_a_result_comes_back_exactly(tmp_path):
    result = make()
    path = write_result(tmp_path, result)
    assert path == tmp_path / "tiny" / "digits" / "kmex(protopnet)" / "seed-0.json"
    assert read_result(path) == result


def test_numbers_keep_full_precision_and_whole_ones_are_short(tmp_path):
    text = write_result(tmp_path, make()).read_text()
    assert '"values":[1,0,0.30000000000000004]' in text


LEAVES = st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5) | st.booleans()


@given(st.recursive(LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3)))
def test_settings_hash_the_same_before_and_after_they_were_written(value):
    settings = {"value": value}
    assert digest(settings) == digest(json.loads(json.dumps(results._plain(settings))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("seed"), "seed: Field required"),
        (lambda c: c.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda c: c.update(schema_version=2), "schema_version: Input should be 1"),
        (lambda c: c.update(explainer="../../etc"), "explainer: String should match pattern"),
        (lambda c: c["scores"]["accuracy"].update(values=[]), "scores.accuracy.scored.values"),
        (lambda c: c["scores"]["accuracy"].update(values=["1"]), "scores.accuracy.scored.values.0"),
        (lambda c: c["scores"]["accuracy"].update(values=[1, 2, 0]), "2.0 is above the declared upper bound 1"),
        (lambda c: c["scores"]["accuracy"].update(values=[1, -1, 0]), "-1.0 is below the declared lower bound 0"),
        (lambda c: c["scores"]["accuracy"].update(chance=[0.1]), "chance has 1 entries for 3 values"),
        (lambda c: c["scores"]["accuracy"].update(status="fine"), "scores.accuracy"),
        (lambda c: c["settings"].update(seed=1), "identity is .* but the settings hash to"),
        (lambda c: c.update(seed=1), "holds the result of tiny/digits/kmex.protopnet./seed-1.json; move it there"),
    ],
)
def test_a_damaged_result_names_file_and_field(tmp_path, change, message):
    path = damaged(tmp_path, change)
    with pytest.raises(ResultDamaged, match=message) as caught:
        read_result(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"seed": NaN}'])
def test_a_file_that_is_no_result_is_an_error(tmp_path, content):
    path = write_result(tmp_path, make())
    path.write_bytes(content)
    with pytest.raises(ResultDamaged, match="move it away and compute it again"):
        read_result(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(tmp_path, number):
    path = write_result(tmp_path, make())
    path.write_text(path.read_text().replace("0.30000000000000004", number))
    with pytest.raises(ResultDamaged):
        read_result(path)


def test_a_missing_file_is_missing_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_result(tmp_path / "seed-0.json")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(DiskFull, match="Free some space and start the same command again"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_write_errors_are_not_called_a_full_disk(tmp_path, monkeypatch):
    def denied(handle):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(writing.os, "fsync", denied)
    with pytest.raises(NotWritable, match=r"file cannot be written: Permission denied\. Name a folder that you may"):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotWritable, match=r"file/board\.md cannot be written: File exists"):
        write_atomically(tmp_path / "file" / "board.md", b"new")
    with pytest.raises(NotWritable, match=r"file cannot be written: File exists"):
        require_writable(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_found_writable_without_leaving_anything_in_it(tmp_path, monkeypatch):
    require_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []

    def denied(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(writing.tempfile, "_mkstemp_inner", denied)
    with pytest.raises(NotWritable, match=r"new/folder cannot be written: Permission denied"):
        require_writable(tmp_path / "new" / "folder")
