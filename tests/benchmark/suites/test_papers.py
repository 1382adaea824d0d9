"""The suites of the papers against a second copy of [K] Table 10, its sections A.1 and A.2, and section 4 of [C]."""

import pytest

from sembench.data.sets.quickdraw import FLINT as CLASSES
from sembench.explainers.configuration import recipe
from sembench.suites.plan import plan
from sembench.suites.suite import load_suite, suite_names

# [K] Table 10, row by row as it is printed, and the sizes of A.1.
COLUMNS = ("mnist", "fashion-mnist", "svhn", "cifar10", "stl10", "quickdraw", "celeba")
SIZES = (32, 32, 32, 32, 96, 32, 224)
TABLE_10 = {
    ("kmex", "prototypes"): (5, 5, 5, 5, 5, 5, 20),
    ("kmex", "epochs"): (10, 10, 10, 30, 30, 30, 10),
    ("kmex", "learning rate"): (0.001,) * 7,
    ("protopnet", "prototypes"): (5, 5, 5, 5, 5, 5, 20),
    ("protopnet", "warm"): (5,) * 7,
    ("protopnet", "train"): (15, 15, 15, 35, 35, 35, 15),
    ("protopnet", "push interval"): (10,) * 7,
    ("protopnet", "last layer"): (5,) * 7,
    ("protopnet", "learning rates"): (0.001,) * 7,
    ("protopnet", "cluster"): (0.8,) * 7,
    ("protopnet", "separation"): (-0.08,) * 7,
    ("protopnet", "l1"): (0.004,) * 7,
    ("flint", "prototypes"): (5, 5, 5, 5, 5, 5, 20),
    ("flint", "epochs"): (10, 10, 10, 30, 30, 30, 10),
    ("flint", "weights"): ((0.8, 0.8, 1.0, 0.1, 0.2, 0.2),) * 7,
    ("protovae", "prototypes"): (5, 5, 5, 5, 5, 5, 20),
    ("protovae", "epochs"): (20, 20, 20, 60, 60, 60, 20),
    ("protovae", "weights"): tuple((1, 0.1, kl, 0.1) for kl in (1, 100, 100, 100, 100, 100, 100)),
}
MOMENTUM = (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9)  # A.2


def printed(row, dataset):
    return TABLE_10[row][COLUMNS.index(dataset)]


def recipes(name):
    """The recipes of an entry of the suite kmex by data set."""
    spec = load_suite("kmex").explainer(name)
    return {dataset: recipe(spec.name, spec.parameters, dataset) for dataset in COLUMNS}


@pytest.mark.parametrize("suite", ["kmex", "kmex-ablations", "prototypes", "posthoc"])
def test_the_black_boxes_of_the_papers_are_those_of_table_10(suite):
    runs = plan(load_suite(suite), explainers=["kmex"])
    assert {run.seed for run in runs} == {0, 1, 2, 3, 4}  # "over five runs"
    for run in runs:
        column = "stl10" if run.dataset == "cub" else run.dataset  # CUB-200 is not in the table
        place, training = COLUMNS.index(column), run.settings["training"]
        assert training.pop("nesterov") is False
        assert training == {
            "epochs": printed(("kmex", "epochs"), column), "learning_rate": printed(("kmex", "learning rate"), column),
            "momentum": MOMENTUM[place], "weight_decay": 0.0, "batch_size": 128, "final_learning_rate": 1e-4,
        }  # fmt: skip
        assert run.settings["backbone"] == {"name": "resnet34", "weights": "imagenet"}
        size = 224 if run.dataset == "cub" else SIZES[place]
        assert run.settings["dataset"] == {"name": run.dataset, "image_size": size}
        assert run.settings["evaluation"]["explained_images"] == 100


def test_the_data_sets_are_those_of_the_papers_in_their_order():
    assert [spec.entry for spec in load_suite("kmex").datasets] == list(COLUMNS)
    assert [spec.entry for spec in load_suite("kmex-ablations").datasets] == list(COLUMNS)
    assert [spec.entry for spec in load_suite("posthoc").datasets] == ["mnist", "stl10", "cub"]
    assert [spec.entry for spec in load_suite("prototypes").datasets] == ["celeba"]
    assert CLASSES == ("ant", "apple", "banana", "carrot", "cat", "cow", "dog", "frog", "grapes", "lion")


@pytest.mark.parametrize("name", ["kmex", "protopnet", "flint", "protovae", "kmex(protopnet)", "kmex(flint)"])
def test_prototypes_per_class_are_those_of_table_10(name):
    found = {dataset: own.hyperparameters()["prototypes_per_class"] for dataset, own in recipes(name).items()}
    assert found == dict(zip(COLUMNS, TABLE_10[name.partition("(")[0], "prototypes"], strict=True))


def test_protopnet_is_trained_as_table_10_has_it():
    for dataset, own in recipes("protopnet").items():
        found = {
            "warm": own.warm_epochs, "train": own.warm_epochs + own.joint_epochs, "push interval": own.project_every,
            "last layer": own.last_epochs, "cluster": own.cluster, "separation": own.separation, "l1": own.sparsity,
        }  # fmt: skip
        assert found == {row: printed(("protopnet", row), dataset) for row in found}, dataset
        assert {own.feature_rate, own.prototype_rate, own.last_rate} == {
            printed(("protopnet", "learning rates"), dataset)
        }
        assert (own.dimension, own.batch_size, own.parts) == (512, 128, False)  # A.2, 4.1


def test_flint_is_trained_as_table_10_has_it():
    for dataset, own in recipes("flint").items():
        weights = own.prediction, own.reconstruction, own.fidelity, own.concise, own.entropy, own.diversity
        assert (own.epochs, weights) == (printed(("flint", "epochs"), dataset), printed(("flint", "weights"), dataset))
        assert (own.latent, own.batch_size) == (512, 128)


def test_protovae_is_trained_as_table_10_has_it():
    for dataset, own in recipes("protovae").items():
        weights = own.prediction, own.reconstruction, own.kl, own.orthogonal
        assert own.epochs == printed(("protovae", "epochs"), dataset)
        assert weights == printed(("protovae", "weights"), dataset)
        assert (own.latent, own.batch_size) == (512, 128)
        assert own.encoder == ("backbone" if dataset in ("stl10", "quickdraw", "celeba") else "conv")  # A.2


def test_conversions_take_the_models_that_stand_beside_them():
    suite = load_suite("kmex")
    for of in ("protopnet", "flint", "protovae"):
        assert suite.explainer(f"kmex({of})").parameters["base"] == suite.explainer(of).parameters


def test_posthoc_has_the_rows_of_both_tables_with_five_and_ten_prototypes():
    suite = load_suite("posthoc")
    rows = {"blackbox", "cnn", "kmex", "kmex-L1", "protopnet-parts", "b4", "b234"}
    assert rows <= {spec.entry for spec in suite.explainers}
    for entry in ("kmex", "protopnet-parts", "b4", "b234"):
        spec = suite.explainer(entry)
        counts = {
            data.name: recipe(spec.name, spec.parameters, data.name).hyperparameters()["prototypes_per_class"]
            for data in suite.datasets
        }
        assert counts == {"mnist": 5, "stl10": 5, "cub": 10}
    assert {"accuracy", "accuracy_train", "alignment_class", "alignment_out"} <= set(suite.metrics)


def test_ablations_of_the_papers_data_sets_change_one_thing_of_kmex_each():
    suite = load_suite("kmex-ablations")
    assert suite.explainer("kmex") == load_suite("kmex").explainer("kmex")
    changes = [
        {key: value for key, value in spec.parameters.items() if key != "preset"}
        for spec in suite.explainers if spec.entry not in ("blackbox", "kmex")
    ]  # fmt: skip
    assert all(len(change) == 1 for change in changes)
    similarities = [change["similarity"] for change in changes if "similarity" in change]
    assert {"l1", "squared", "log2", "dot", "cosine", "ned"} <= set(similarities)  # with the distance seven, A.6.1
    assert {"flavour": "bisecting"} in changes
    assert sum("prototypes_per_class" in change for change in changes) >= 3


@pytest.mark.parametrize("name", suite_names())
def test_a_suite_has_all_controls_or_none(name):
    controls = {"chance", "collapsed", "shuffled", "headless"}
    own = {spec.name for spec in load_suite(name).explainers} & controls
    assert own in (set(), controls)
