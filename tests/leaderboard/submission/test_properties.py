"""Any bytes in a submission are read without harm: refused with a reason, never an accident."""

import json
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import committed
from sembench.errors import ResultDamaged
from sembench.results.result import digest, read_result
from sembench_leaderboard.submission.records import Recomputed, write_manifest, write_marks
from sembench_leaderboard.submission.strict_json import MAX_DEPTH, parse
from sembench_leaderboard.submission.validate import validate

CONTENT = committed.content("quick/digits/kmex/seed-0.json")
WHOLE = json.dumps(CONTENT).encode()

KEYS = st.from_regex(r"[A-Za-z][A-Za-z0-9_ ]{0,9}", fullmatch=True)
PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | KEYS
VALUES = st.recursive(PLAIN, lambda x: st.lists(x, max_size=3) | st.dictionaries(KEYS, x, max_size=3), max_leaves=10)


def leaves(value, path=()):
    """Paths of everything in a result that is no container."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    found = [leaf for key, item in items for leaf in leaves(item, (*path, key))]
    return found or [path]


LEAVES = leaves(CONTENT)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The committed results of two entries: every example reads all of them."""
    folder = tmp_path_factory.mktemp("base")
    for entry in ("kmex", "flint"):
        committed.copy(f"quick/digits/{entry}", folder)
    return folder


@contextmanager
def entry(data):
    """A folder with kmex's results, the first of which holds these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        committed.copy("quick/digits/kmex", Path(folder))
        path = Path(folder, "quick/digits/kmex/seed-0.json")
        path.write_bytes(data)
        yield Path(folder), path


@given(VALUES)
def test_plain_json_is_read_as_it_is(value):
    content, wrong = parse(json.dumps(value).encode())
    assert wrong == []
    assert content == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data):
    content, wrong = parse(data)
    if not wrong:
        assert content == json.loads(data)


@given(VALUES, st.sampled_from(["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "9" * 40]))
def test_a_number_that_is_none_is_found_wherever_it_stands(value, number):
    text = json.dumps({"a": value, "b": [0, {"c": "HERE"}]}).replace('"HERE"', number)
    _, wrong = parse(text.encode())
    assert [field for field, _, _ in wrong] == ["b.1.c"]


@given(st.integers(1, 3 * MAX_DEPTH), st.booleans())
def test_depth_is_bounded_exactly(depth, objects):
    opening, closing = ('{"a":', "}") if objects else ("[", "]")
    _, wrong = parse((opening * depth + "1" + closing * depth).encode())
    assert bool(wrong) == (depth > MAX_DEPTH)


@given(st.text(max_size=50))
def test_brackets_in_text_are_no_depth(text):
    _, wrong = parse(json.dumps({"a": "[{" * 40 + "x", "b": text}).encode())
    assert not any("nested" in problem for _, problem, _ in wrong)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_file_in_place_of_a_result_is_refused(data):
    with entry(data) as (folder, path):
        problems = validate(folder).problems
        assert any(problem.file == "quick/digits/kmex/seed-0.json" for problem in problems)
        with pytest.raises(ResultDamaged, match=r"seed-0\.json"):
            read_result(path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=3))
def test_a_file_damaged_anywhere_is_read_or_refused(place, data):
    with entry(WHOLE[:place] + data + WHOLE[place + len(data) :]) as (folder, path):
        validate(folder)
        with suppress(ResultDamaged):
            read_result(path)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(LEAVES), VALUES)
def test_no_field_can_be_changed_unseen_beside_the_base(base, leaf, value):
    content = json.loads(WHOLE)
    parent = content
    for key in leaf[:-1]:
        parent = parent[key]
    before, parent[leaf[-1]] = parent[leaf[-1]], value
    same = before == value and (type(before) is type(value) or {type(before), type(value)} == {int, float})
    with entry(json.dumps(content).encode()) as (folder, _):
        problems = validate(folder, base=base).problems
        assert bool(problems) != same, f"{leaf}: {before!r} became {value!r}"


def alike(value):
    """Values that the schema takes in place of this one, most of the time: what is checked behind it is reached."""
    if isinstance(value, bool) or value is None:
        return st.booleans()
    if isinstance(value, int):
        return st.integers(-2, 12) | st.integers(-(10**12), 10**12)
    if isinstance(value, float):
        return st.floats(-1.5, 1.5) | st.floats(allow_nan=False, allow_infinity=False)
    if isinstance(value, str):
        return st.sampled_from(["", "kmex", "0" * 64, "cpu", "2026-01-01", value.upper()]) | st.text(max_size=12)
    return VALUES


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LEAVES), st.data())
def test_a_likely_value_in_any_field_is_no_accident(leaf, data):
    """Signed again, so that the checks of settings are reached; without a base, so that they alone have to answer."""
    content = json.loads(WHOLE)
    parent = content
    for key in leaf[:-1]:
        parent = parent[key]
    parent[leaf[-1]] = data.draw(alike(parent[leaf[-1]]))
    content["identity"] = digest(content["settings"])
    with entry(json.dumps(content).encode()) as (folder, path):
        verdict = validate(folder)
        event(f"the schema {'takes' if PurePosixPath(path.relative_to(folder)) in verdict.results else 'refuses'} it")
        for problem in verdict.problems:
            assert str(problem).isprintable()
            assert problem.field


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["manifests", "verified"]), st.data())
def test_no_manifest_or_mark_is_an_accident(place, data):
    with entry(WHOLE) as (folder, _):
        written = write_manifest(folder, "quick", "kmex", "sembench_baselines.kmex:KMEx (sembench)")
        if place == "verified":
            told = {"created": "2026-01-01T00:00:00+00:00", "device": "cpu", "processor": "x", "torch": "2"}
            run = Recomputed(**told, agreement="bit for bit", differences={"accuracy": 0.0})
            (written,) = write_marks(folder, {PurePosixPath("quick/digits/kmex/seed-0.json"): run})
        content = json.loads(written.read_text())
        assert validate(folder).problems == ()
        parent, leaf = content, data.draw(st.sampled_from(leaves(content)))
        for key in leaf[:-1]:
            parent = parent[key]
        parent[leaf[-1]] = data.draw(alike(parent[leaf[-1]]) | VALUES)
        written.write_text(json.dumps(content))
        for problem in validate(folder).problems:
            assert problem.file.startswith((place, "quick/digits/kmex"))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([n for n, s in CONTENT["scores"].items() if "values" in s]), st.data())
def test_every_changed_score_is_named(base, metric, data):
    content = json.loads(WHOLE)
    values = content["scores"][metric]["values"]
    index = data.draw(st.integers(0, len(values) - 1))
    values[index] = 0.5 if values[index] != 0.5 else 0.25
    with entry(json.dumps(content).encode()) as (folder, _):
        fields = [problem.field for problem in validate(folder, base=base).problems]
        assert f"scores.{metric}" in fields


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_file_of_any_name_is_refused_or_a_result(name):
    with entry(WHOLE) as (folder, _):
        path = folder / "quick/digits/kmex" / name
        if path.exists():  # "." and ".." among them
            return
        path.write_bytes(b"{}")
        assert any("quick/digits/kmex" in problem.file for problem in validate(folder).problems)
