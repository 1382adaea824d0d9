"""Suite files and plans: everything is stated, nothing else is accepted."""

import dataclasses
import hashlib
import subprocess
import sys

import pytest

from sembench.errors import PluginBroken, ResultDamaged, SuiteInvalid, UnknownName
from sembench.explainers.configuration import recipe
from sembench.plugins.registry import EXPLAINERS
from sembench.suites.network import BackboneSpec
from sembench.suites.plan import check_names, plan, status
from sembench.suites.suite import SUITES, ExplainerSpec, load_suite, parse_suite, suite_names
from sembench_baselines.kmex import KMEx


def text():
    return (SUITES / "quick.toml").read_text("utf-8")


@pytest.mark.parametrize("name", suite_names())
def test_the_suites_that_come_along_are_valid_and_their_names_known(name):
    suite = load_suite(name)
    assert suite.name == name
    runs = plan(suite, seeds=[0])  # names are the same for every seed
    check_names(runs)
    for run in runs:
        recipe(run.explainer.name, run.explainer.parameters, run.data.name)


def test_the_demo_has_its_entries_controls_and_seeds():
    trained = ["protopnet", "flint", "protovae"]
    trained += [f"kmex({name})" for name in trained]
    suite = load_suite("quick")
    assert [e.entry for e in suite.explainers] == [
        "blackbox", "cnn", "kmex", "b4", "b234", *trained, "chance", "collapsed", "shuffled", "headless",
    ]  # fmt: skip
    assert len(suite.seeds) >= 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds = [0, 1]", "seed = [0, 1]", "seed: Extra inputs are not permitted"),
        ("seeds = [0, 1]", "seeds = []", "seeds: Tuple should have at least 1 item"),
        ("seeds = [0, 1]", "seeds = [-1]", "seeds.0: Input should be greater than or equal to 0"),
        ("seeds = [0, 1]", "seeds = [1, 1]", "seed 1 stands there twice"),
        ("steps = 32", "steps = 0", "evaluation.steps"),
        ("steps = 32", "step = 32", "evaluation.step: Extra inputs are not permitted"),
        ("learning_rate = 0.05", "learning_rate = nan", "training.learning_rate"),
        ('name = "cnn"', 'name = "kmex"', "explainer label kmex stands there twice"),
        ('name = "quick"', 'name = "../quick"', "name: String should match pattern"),
        ("schema_version = 1", "schema_version = 2", "schema_version"),
        ("schema_version = 1", "schema_version =", "is not TOML"),
    ],
)
def test_a_wrong_suite_names_the_key(old, new, message):
    assert old in text()
    with pytest.raises(SuiteInvalid, match=message):
        parse_suite(text().replace(old, new, 1), "my.toml")


def test_the_origin_stands_in_the_message(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("name = 3")
    with pytest.raises(SuiteInvalid, match=str(path)):
        load_suite(str(path))


def test_a_suite_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(SuiteInvalid, match=r"missing.toml cannot be read"):
        load_suite(str(tmp_path / "missing.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteInvalid, match=r"binary.toml cannot be read"):
        load_suite(str(tmp_path / "binary.toml"))


def test_an_unknown_suite_gets_near_matches():
    with pytest.raises(UnknownName, match="Did you mean 'quick'"):
        load_suite("quik")


def test_two_labels_may_share_an_explainer():
    extra = '\n[[explainers]]\nname = "kmex"\nlabel = "kmex-log"\nparameters = { similarity = "log" }\n'
    runs = plan(parse_suite(text() + extra, "x"), explainers=["kmex", "kmex-log"], seeds=[0])
    assert [run.entry for run in runs] == ["kmex", "kmex-log"]
    assert [run.explainer.name for run in runs] == ["kmex", "kmex"]
    assert runs[0].identity != runs[1].identity


def test_runs_are_grouped_by_data_set_and_seed():
    suite = load_suite("quick")
    runs = plan(suite, datasets=["digits", "mnist"])
    assert [(c.dataset, c.seed) for c in runs] == sorted([(c.dataset, c.seed) for c in runs])
    assert len(runs) == 2 * 2 * len(suite.explainers)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"explainers": ["kmax"]}, "unknown explainer 'kmax'. Did you mean 'kmex'"),
        ({"explainers": ["b42"]}, "unknown explainer 'b42'"),
        ({"datasets": ["digit"]}, "unknown data set 'digit'. Did you mean 'digits'"),
    ],
)
def test_unknown_names_are_found_before_anything_runs(selection, message):
    with pytest.raises(UnknownName, match=message):
        check_names(plan(load_suite("quick"), **selection))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"explainers": ["kmex "]}, "unknown explainer 'kmex '. Did you mean 'kmex'"),
        ({"explainers": [""]}, "unknown explainer ''. Known: .*b234"),
        ({"explainers": ["../../x"]}, r"unknown explainer '\.\./\.\./x'"),
        ({"datasets": ["a b"]}, "unknown data set 'a b'. Known: .*digits"),
        ({"datasets": ["k" * 81]}, "unknown data set 'kkkk"),
    ],
)
def test_what_is_no_name_at_all_is_unknown_too(selection, message):
    with pytest.raises(UnknownName, match=message):
        plan(load_suite("quick"), **selection)


def test_a_label_is_a_near_match_of_what_is_no_name():
    extra = '\n[[explainers]]\nname = "kmex"\nlabel = "my-method"\n'
    with pytest.raises(UnknownName, match="Did you mean 'my-method'"):
        plan(parse_suite(text() + extra, "x"), explainers=["my method"])


@dataclasses.dataclass(frozen=True)
class Fussy(KMEx):
    """A recipe that never comes about."""

    rate: float = 0.1

    def __post_init__(self):
        raise ValueError("lr must be positive\nsecond line")


class Typed(Fussy):
    def __post_init__(self):
        raise TypeError("rate is wrong")


@dataclasses.dataclass(frozen=True)
class Demanding(KMEx):
    wanted: int = dataclasses.field(kw_only=True)


def failing():
    raise OSError("not today")


ACCEPTED = r"\. Hyper-parameters of plugin are: prototypes_per_class, .*"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Fussy, "plugin: ValueError: lr must be positive" + ACCEPTED + "rate"),
        (Typed, "plugin: TypeError: rate is wrong" + ACCEPTED + "rate"),
        (Demanding, "missing 1 required keyword-only argument: 'wanted'" + ACCEPTED + "wanted"),
        (failing, r"plugin: OSError: not today. Hyper-parameters of plugin are: not known \(OSError: not today\)"),
        (object(), "not callable"),
        (dict, "plugin makes a dict, not an Explainer"),
    ],
)
def test_a_recipe_that_cannot_be_made_of_its_defaults_is_a_broken_plugin(monkeypatch, make, message):
    monkeypatch.setitem(EXPLAINERS._objects, "plugin", make)
    with pytest.raises(PluginBroken, match=message) as caught:
        recipe("plugin", {}, "digits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [Fussy, Typed, Demanding])
def test_a_recipe_that_refuses_what_a_suite_gives_makes_the_suite_invalid(monkeypatch, make):
    monkeypatch.setitem(EXPLAINERS._objects, "plugin", make)
    with pytest.raises(SuiteInvalid, match=ACCEPTED):
        recipe("plugin", {"prototypes_per_class": 3}, "digits")


def test_hyperparameters_of_a_conversion_are_listed():
    with pytest.raises(SuiteInvalid, match=r"Hyper-parameters of kmex\(flint\) are: prototypes_per_class, .*of, base"):
        recipe("kmex(flint)", {"prototypes": 3}, "digits")


def test_the_identity_follows_the_settings_and_not_the_batch_size():
    suite = load_suite("quick")
    (first,) = plan(suite, explainers=["kmex"], seeds=[0])
    smaller = suite.model_copy(update={"evaluation": suite.evaluation.model_copy(update={"batch_size": 7})})
    longer = suite.model_copy(update={"training": suite.training.model_copy(update={"epochs": 9})})
    assert plan(smaller, explainers=["kmex"], seeds=[0])[0].identity == first.identity
    assert plan(longer, explainers=["kmex"], seeds=[0])[0].identity != first.identity


@pytest.mark.parametrize(("field", "unusual"), [("precision", "bfloat16"), ("nesterov", False)])
def test_precision_and_kind_of_momentum_are_stated_only_where_they_are_not_the_usual_ones(field, unusual):
    suite = load_suite("quick")
    (plain,) = plan(suite, explainers=["kmex"], seeds=[0])
    other = suite.model_copy(update={"training": suite.training.model_copy(update={field: unusual})})
    (stated,) = plan(other, explainers=["kmex"], seeds=[0])
    assert field not in plain.settings["training"]
    assert stated.settings["training"] == {**plain.settings["training"], field: unusual}


def test_a_missing_result_is_not_run_and_a_damaged_one_is_an_error(tmp_path):
    (run,) = plan(load_suite("quick"), explainers=["kmex"], seeds=[0])
    assert status(run, tmp_path) == ("missing", None)
    run.path(tmp_path).parent.mkdir(parents=True)
    run.path(tmp_path).write_text("{")
    with pytest.raises(ResultDamaged):
        status(run, tmp_path)


def test_sources_are_hashed_and_every_part_is_known():
    (run,) = plan(load_suite("quick"), explainers=["kmex"], seeds=[0])
    found = run.sources
    assert all(len(value) == 64 for value in found.values())
    assert found["explainer"] != found["instrument"]


def test_planning_loads_no_torch():
    code = (
        "import sys; from sembench.suites.plan import plan, check_names\n"
        "from sembench.suites.suite import load_suite\n"
        "runs = plan(load_suite('quick')); hashes = [run.sources for run in runs]\n"
        "check_names(run for run in runs if '(' not in run.entry)\n"  # a family's name is looked up in its code
        "assert not {'torch', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_data_set_may_have_seeds_of_its_own():
    more = '\n[[datasets]]\nname = "mnist"\nseeds = [4]\n'
    suite = parse_suite(text() + more, "the test").model_copy(update={"explainers": (ExplainerSpec(name="kmex"),)})
    assert [(run.dataset, run.seed) for run in plan(suite)] == [("digits", 0), ("digits", 1), ("mnist", 4)]
    assert {run.seed for run in plan(suite, seeds=[7])} == {7}


def test_the_ablations_on_free_data_share_the_black_boxes_of_the_suite_open():
    wanted = {(c.dataset, c.seed): c.settings for c in plan(load_suite("open"), explainers=["blackbox"])}
    for run in plan(load_suite("open-ablations"), explainers=["blackbox"]):
        assert run.settings == wanted[run.dataset, run.seed]


def test_numbers_of_prototypes_are_varied_on_black_boxes_and_trainings_of_the_suite_open():
    parts = ("dataset", "backbone", "training", "explainer")
    wanted = [{part: run.settings[part] for part in parts} for run in plan(load_suite("open"))]
    for entry in ("kmex-5", "protopnet-5", "flint-5", "protovae-5"):
        (run,) = plan(load_suite("open-prototypes"), explainers=[entry])
        assert {part: run.settings[part] for part in parts} in wanted


def test_both_suites_of_ablations_have_the_same_entries_but_for_patches_and_a_conversion():
    """Patches of 32 pixels are one cell: KMEx itself. The conversion needs the trained ProtoVAE of the suite open."""
    ours, theirs = ({s.entry: s for s in load_suite(n).explainers} for n in ("open-ablations", "ablations"))
    assert ours.pop("kmex(protovae)-log").parameters["base"] == dict(
        next(s for s in load_suite("open").explainers if s.entry == "protovae").parameters
    )
    assert ours == {name: spec for name, spec in theirs.items() if name != "kmex-patches"}


def with_weights(path, sha256):
    backbone = BackboneSpec(name="net.py:make", weights=str(path), weights_sha256=sha256)
    return backbone.resolved().settings()["weights_sha256"]


def test_a_suite_may_name_the_content_of_a_weights_file_that_is_not_there(tmp_path):
    path = tmp_path / "w.npz"
    right, wrong = hashlib.sha256(b"weights").hexdigest(), "0" * 64
    assert with_weights(path, right) == right
    with pytest.raises(SuiteInvalid, match="cannot be read"):
        with_weights(path, None)
    path.write_bytes(b"weights")
    assert with_weights(path, right) == with_weights(path, None) == right
    with pytest.raises(SuiteInvalid, match=f"has the SHA-256 {right}, but the suite asks for the file with {wrong}"):
        with_weights(path, wrong)


def test_cifar10_is_run_as_the_suite_open_is_but_for_protovae():
    ours, theirs = load_suite("open-cifar10"), load_suite("open")
    assert (ours.metrics, ours.evaluation) == (theirs.metrics, theirs.evaluation)
    assert (ours.backbone, ours.training) == (theirs.backbone, theirs.training)
    assert [spec.entry for spec in ours.explainers] == [spec.entry for spec in theirs.explainers]
    others = [a.entry for a, b in zip(ours.explainers, theirs.explainers, strict=True) if a != b]
    assert others == ["protovae", "kmex(protovae)"]
