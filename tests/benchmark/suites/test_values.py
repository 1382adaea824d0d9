"""Values of suite files: right, or refused by name; never an error of another library."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sembench.errors import SembenchError, SuiteInvalid
from sembench.explainers.configuration import recipe
from sembench.plugins.registry import METRICS as REGISTERED
from sembench.running.datasets import loader_of
from sembench.suites.network import UNTRAINED
from sembench.suites.plan import check_names, plan
from sembench.suites.suite import METRICS, load_suite, parse_suite

LEAST = """
name = "least"
backbone = { name = "resnet10-narrow", frozen = true }
datasets = [{ name = "digits" }]
explainers = [{ name = "kmex" }]
"""


def checked(text):
    """All that happens to a suite before anything is trained."""
    runs = plan(parse_suite(text, "mine.toml"))
    check_names(runs)
    for run in runs[:20]:
        loader_of(run)
        recipe(run.explainer.name, run.explainer.parameters, run.data.name)
    return runs


def test_a_suite_needs_a_name_a_network_data_and_entries():
    suite = parse_suite(LEAST, "mine.toml")
    assert (suite.title, suite.seeds, suite.metrics) == ("least", (0,), METRICS)
    (run,) = checked(LEAST)
    assert run.training == UNTRAINED
    assert run.settings["training"]["epochs"] == 0


def test_the_default_metrics_are_those_of_the_demo_and_are_registered():
    assert load_suite("quick").metrics == METRICS
    assert set(METRICS) <= set(REGISTERED.names())


@pytest.mark.parametrize("frozen", ["false", '"encoder"'])
def test_a_network_that_is_trained_needs_a_training(frozen):
    with pytest.raises(SuiteInvalid, match=r"Add \[training\].*or frozen = true"):
        checked(LEAST.replace("frozen = true", f"frozen = {frozen}"))
    checked(LEAST.replace("frozen = true", f"frozen = {frozen}") + "[training]\nepochs = 1\nlearning_rate = 0.1")


def test_a_data_set_s_own_network_may_need_one_too():
    own = LEAST.replace('name = "digits"', 'name = "digits", backbone = { name = "resnet10-narrow" }')
    with pytest.raises(SuiteInvalid, match=r"Add \[training\]"):
        checked(own)


HOSTILE = {
    "5,000 digits": ("seeds = " + "1" * 5000, "is not TOML|64 bits"),
    "1,000 arrays": ("x = " + "[" * 1000 + "]" * 1000, "nested too deeply"),
    "deep tables": (".".join("a" * 500) + " = 1", "nested too deeply"),
    "200,000 seeds": (f"seeds = {list(range(200_000))}", "200,000 runs, more than 100,000"),
    "a seed twice among many": (f"seeds = {[*range(90_000), 0]}", "seed 0 stands there twice"),
    "a true seed": ("seeds = [true]", "seeds.0: Input should be a valid integer"),
    "a seed with a point": ("seeds = [1.0]", "seeds.0: Input should be a valid integer"),
    "a large seed": ("seeds = [4294967296]", "seeds.0: Input should be less than or equal to 4294967295"),
    "65 bits": ("seeds = [9223372036854775808]", r"seeds.0 is an integer of more than 64 bits"),
    "a NUL": ('title = "a\\u0000b"', "title holds a NUL character"),
    "a NUL in a key": ('"a\\u0000b" = 1', "a key holds a NUL character"),
    "a long text": (f'title = "{"x" * 20_000}"', "title has 20,000 characters"),
    "true epochs": (
        "training = { epochs = true, learning_rate = 0.1 }",
        "training.epochs: Input should be a valid",
    ),
    "a true rate": ("training = { epochs = 1, learning_rate = true }", "learning_rate: Input should be a valid number"),
    "no number": ("training = { epochs = 1, learning_rate = nan }", "training.learning_rate is nan"),
    "yes": ('evaluation = { variants = "yes" }', "evaluation.variants: Input should be a valid boolean"),
    "steps without end": ("evaluation = { steps = 100000000 }", "evaluation.steps: .* less than or equal to 1000000"),
    "a date": ("seeds = 1979-05-27", "seeds: Input should be a valid tuple"),
}


@pytest.mark.parametrize(("line", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_are_refused_by_name(line, message):
    with pytest.raises(SuiteInvalid, match=message):
        checked(line + "\n" + LEAST)


REPLACED = {
    "true pixels": ('name = "digits"', 'name = "digits", image_size = true', "image_size: Input should be a valid int"),
    "huge pixels": ('name = "digits"', 'name = "digits", image_size = 100000', "image_size: .* equal to 4096"),
    "frozen by word": ("frozen = true", 'frozen = "yes"', "backbone.frozen"),
    "a long path": ('name = "digits"', f'name = "folder", parameters = {{ path = "{"x" * 300}" }}', "300 bytes"),
    "long weights": ("frozen = true", f'weights = "{"x" * 300}"', "300 bytes"),
    "no such weights": ("frozen = true", 'frozen = true, weights = "none.pth"', "none.pth"),
    **{
        f"prototypes {value}": (
            'name = "kmex"', f'name = "kmex", parameters = {{ prototypes_per_class = {value} }}', "prototypes_per",
        )
        for value in ("-1", "0", "nan", '"x"', "true", "1.5", "[]", "[1, -1]", "{}", "1000000000")
    },
    **{
        f"{name} {option}": ('name = "kmex"', f'name = "{name}", parameters = {{ {option} = {value} }}', option)
        for name, option, value in [
            ("b4", "max_rows", "-1"), ("b4", "n_init", '"x"'), ("flint", "learning_rate", "-1"),
            ("flint", "epochs", "inf"),
            ("protovae", "kl", "-0.5"), ("protovae", "channels", '"x"'), ("protopnet", "last_rate", "true"),
            ("kmex", "similarity", "3"), ("cnn", "bias_in_score", "1"),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), REPLACED.values(), ids=REPLACED)
def test_hostile_settings_of_units_are_refused_before_anything_is_trained(old, new, message):
    assert old in LEAST
    with pytest.raises(SembenchError, match=message):
        checked(LEAST.replace(old, new))


SCALARS = (
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["none", "digits", "kmex", "..", "/", "~", "a\0", "imagenet", "x.py:y", "é" * 200, "1979-05-27"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
PLACES = [
    ("schema_version",), ("name",), ("title",), ("seeds",), ("metrics",), ("backbone",), ("backbone", "name"),
    ("backbone", "weights"), ("backbone", "weights_sha256"), ("backbone", "blocks"), ("backbone", "mean"),
    ("backbone", "std"), ("backbone", "frozen"), ("backbone", "embedding"), ("backbone", "attribution"), ("training",),
    ("training", "epochs"), ("training", "learning_rate"), ("training", "nesterov"), ("training", "batch_size"),
    ("evaluation",), ("evaluation", "steps"), ("evaluation", "variants"), ("datasets",), ("datasets", 0),
    ("datasets", 0, "name"), ("datasets", 0, "image_size"), ("datasets", 0, "parameters"), ("datasets", 0, "seeds"),
    ("datasets", 0, "backbone"), ("datasets", 0, "training"), ("datasets", 0, "label"), ("explainers",),
    ("explainers", 0, "name"), ("explainers", 0, "label"), ("explainers", 0, "parameters"),
    ("explainers", 0, "parameters", "prototypes_per_class"), ("explainers", 0, "parameters", "n_init"),
    ("explainers", 0, "parameters", "preset"), ("explainers", 0, "parameters", "similarity"), ("unknown",),
]  # fmt: skip


def toml(value):
    """A value as TOML writes it in a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool | float) else str(value)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_no_values_of_a_suite_end_in_an_error_of_another_library(changes):
    content = {
        "name": "least", "backbone": {"name": "resnet10-narrow", "frozen": True},
        "training": {"epochs": 1, "learning_rate": 1.0},
        "evaluation": {}, "datasets": [{"name": "digits"}], "explainers": [{"name": "kmex", "parameters": {}}],
    }  # fmt: skip
    for (*way, last), value in changes:
        place = content
        for step in way:
            inside = isinstance(place, dict) or (isinstance(place, list) and step == 0 and place)
            place = place[step] if inside and not (isinstance(place, dict) and step not in place) else None
        if isinstance(place, dict) or (isinstance(place, list) and place and last == 0):
            place[last] = value
    text = "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in content.items())
    with contextlib.suppress(SembenchError):
        checked(text)


def test_the_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "s.toml").write_bytes(b"\xef\xbb\xbf" + LEAST.encode())
    assert load_suite(str(tmp_path / "s.toml")).name == "least"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "x" * 300 + ".toml", "a\0b.toml", "/", "."])
def test_a_suite_s_place_that_cannot_be_one_is_refused(name):
    with pytest.raises(SembenchError):
        load_suite(name)
