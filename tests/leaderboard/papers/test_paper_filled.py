import pytest

from sembench_leaderboard.entries.selection import Missing, method
from sembench_leaderboard.papers.quantity import SINGLE_IMAGE, TRAINING, Score
from sembench_leaderboard.papers.table import Line, PaperTable, Varied, filled

KMEX, FLINT, B4 = (Line(name, method(name)) for name in ("kmex", "flint", "b4"))
DATASETS = ("digits", "letters")


ACCURACY = (Score("accuracy"),)


def declared(*rows, quantities=ACCURACY, **more):
    return PaperTable("a", "Accuracy", "[K]", DATASETS, rows, quantities, **more)


@pytest.fixture(scope="module")
def cell(build):
    def make(label, accuracies, *, dataset="digits", seed=0, name=None, spent=None, **hyperparameters):
        scores = {"accuracy": build.scored("accuracy", accuracies)} if accuracies else {
            "accuracy": build.not_applicable("accuracy", "it decides nothing")
        }  # fmt: skip
        made = build.result(
            scores, explainer=label, dataset=dataset, seed=seed, settings={"explainer": {"name": name or label}},
            spent=spent,
        )  # fmt: skip
        return made.model_copy(update={"hyperparameters": {"prototypes_per_class": 5, "n_init": 1} | hyperparameters})

    return make


def texts(table):
    return {row.label: [own.text for own in row.cells] for row in table.rows}


def test_one_quantity_stands_against_data_sets(cell):
    results = [
        cell("kmex", [1, 1, 1, 0]), cell("kmex", [1, 1, 0, 0], seed=1), cell("kmex", [1, 0], dataset="letters"),
        cell("flint", [0, 0]), cell("flint", [1, 1], seed=1),
    ]  # fmt: skip
    (table,) = filled(declared(KMEX, FLINT, B4), results)
    assert [(column.title, column.direction, column.unit) for column in table.columns] == [
        ("digits", "higher", "%"), ("letters", "higher", "%"),
    ]  # fmt: skip
    # 75 and 50 %: mean 62.5, sample standard deviation 17.7; a single seed has no spread
    assert texts(table) == {
        "kmex": ["62.5 ± 17.7", "50"], "flint": ["50.0 ± 70.7", "not run"], "b4": ["not run", "not run"],
    }  # fmt: skip


def test_data_sets_are_in_the_papers_order_and_others_follow_as_ours(cell):
    results = [cell("kmex", [1], dataset=name) for name in ("zebras", "digits", "apes", "letters")]
    table = PaperTable("a", "Accuracy", "[K]", ("letters", "digits"), (KMEX,), ACCURACY)
    titles = [column.title for column in filled(table, results)[0].columns]
    assert titles == ["letters", "digits", "apes [ours]", "zebras [ours]"]


def test_two_quantities_stand_side_by_side_for_each_data_set(cell):
    results = [cell("kmex", [1, 0]), cell("kmex", [1], dataset="letters")]
    both = (Score("accuracy", title="test"), Score("lrp_kl", title="KL"))
    (table,) = filled(declared(KMEX, quantities=both), results)
    assert [column.title for column in table.columns] == ["digits: test", "digits: KL", "letters: test", "letters: KL"]
    assert texts(table) == {"kmex": ["50", "—", "100", "—"]}


def test_more_quantities_have_a_table_for_each_data_set(cell):
    results = [cell("kmex", [1, 0]), cell("kmex", [1], dataset="letters")]
    quantities = (Score("accuracy"), TRAINING, Score("lrp_kl"))
    digits, letters = filled(declared(KMEX, quantities=quantities), results)
    assert (digits.heading, letters.heading) == ("digits", "letters")
    assert [(column.title, column.unit) for column in digits.columns] == [
        ("Accuracy", "%"), ("Training", "s"), ("lrp_kl", ""),
    ]  # fmt: skip
    assert texts(digits) == {"kmex": ["50", "62.8", "—"]}


def test_a_turned_table_has_methods_as_columns(cell):
    results = [cell("kmex", [1, 0]), cell("flint", [1]), cell("kmex", [1], dataset="birds")]
    (table,) = filled(declared(KMEX, FLINT, turned=True), results)
    assert [column.title for column in table.columns] == ["kmex", "flint"]
    assert texts(table) == {"Accuracy on digits, %": ["50", "100"], "Accuracy on birds [ours], %": ["100", "not run"]}


def test_full_training_time_is_black_box_and_fit_but_the_fit_alone_of_a_network_of_its_own(cell, build):
    """[K] A.3 and Table 11: KMEx needs the trained black box, 61.5 s; ProtoPNet trains its own network."""
    kmex = build.cost(backbone_seconds=61.5, fit_seconds=0.5, parameters=100, own_parameters=20)
    own = build.cost(backbone_seconds=61.5, fit_seconds=90.0, parameters=100, own_parameters=100)
    results = [cell("kmex", [1], spent=kmex), cell("flint", [1], spent=own)]
    (table,) = filled(declared(KMEX, FLINT, quantities=(TRAINING,)), results)
    assert texts(table) == {"kmex": ["62"], "flint": ["90"]}
    assert (table.columns[0].direction, table.columns[0].unit) == ("lower", "s")


def test_the_time_of_a_single_image_or_that_it_was_not_recorded(cell, build):
    """[K] Table 12: never the time of a batch divided by its size."""
    spent = build.cost(predict_seconds_single=0.25, predict_seconds_per_image=0.001)
    old = build.cost(predict_seconds_per_image=0.001)
    results = [cell("kmex", [1], spent=spent), cell("flint", [1], spent=old)]
    (table,) = filled(declared(KMEX, FLINT, quantities=(SINGLE_IMAGE,)), results)
    assert texts(table) == {"kmex": ["250"], "flint": ["n/a"]}
    assert table.columns[0].unit == "ms"
    assert table.notes == ("its results hold no time of a single image; compute them again",)


DIFFERENCE = Line("Difference", method("kmex"), less=method("flint"))


def test_differences_are_paired_over_seeds(cell):
    """50 - 100 and 100 - 25: -50 and +75 points, mean +12.5; unpaired spreads would be 35 and 53."""
    results = [
        cell("kmex", [1, 0]), cell("kmex", [1, 1], seed=1), cell("flint", [1, 1]), cell("flint", [1, 0, 0, 0], seed=1),
    ]  # fmt: skip
    (table,) = filled(declared(DIFFERENCE), results)
    assert texts(table) == {"Difference": ["+12.5 ± 88.4"]}


def test_differences_of_other_seeds_are_not_taken(cell):
    results = [cell("kmex", [1]), cell("kmex", [1], seed=1), cell("flint", [0], seed=1)]
    (table,) = filled(declared(DIFFERENCE), results)
    assert texts(table) == {"Difference": ["n/a"]}
    assert table.notes == ("the two have results of different seeds (0, 1 and 1), which cannot be paired",)
    assert texts(filled(declared(DIFFERENCE), results[:2])[0]) == {"Difference": ["not run"]}


def test_what_does_not_apply_has_its_reason_as_a_note(cell):
    results = [cell("kmex", None), cell("flint", None), cell("b4", [1])]
    (table,) = filled(declared(KMEX, FLINT, B4), results)
    assert texts(table) == {"kmex": ["n/a"], "flint": ["n/a"], "b4": ["100"]}
    assert table.notes == ("it decides nothing",)
    assert table.rows[1].cells[0].note == 0


def test_a_row_that_is_not_repeated_stays_and_says_so(cell):
    (table,) = filled(declared(KMEX, Line("as published", Missing("not repeated"))), [cell("kmex", [1])])
    assert texts(table) == {"kmex": ["100"], "as published": ["n/a"]}
    assert table.notes == ("not repeated",)


def test_entries_none_of_which_is_the_plain_one_are_no_row_but_a_reason(cell):
    results = [cell(f"kmex-{n}", [1], name="kmex", prototypes_per_class=n) for n in (1, 2)]
    (table,) = filled(declared(KMEX), results)
    assert texts(table) == {"kmex": ["n/a"]}
    assert table.notes == ("2 entries are kmex (kmex-1, kmex-2); label the plain one kmex",)


def test_rows_beyond_the_paper_appear_where_they_were_run_as_ours(cell):
    (table,) = filled(declared(KMEX, further=(FLINT, B4)), [cell("kmex", [1]), cell("b4", [1])])
    assert list(texts(table)) == ["kmex", "b4 [ours]"]


def test_rows_name_the_backbone_as_the_papers_do(build):
    row = Line("{network}+KMEx", method("kmex"))
    for name, title in {"resnet34": "ResNet34+KMEx", "resnet18": "resnet18+KMEx"}.items():
        one = build.result({"accuracy": build.scored("accuracy", [1])}, settings={"backbone": {"name": name}})
        assert list(texts(filled(declared(row), [one])[0])) == [title]


@pytest.fixture(scope="module")
def ablation(cell):
    return [
        cell("kmex", [1, 0]), cell("kmex-10", [1, 1], name="kmex", prototypes_per_class=10),
        cell("kmex-2", [0, 0], name="kmex", prototypes_per_class=2),
        cell("kmex-2-5", [0, 1], name="kmex", prototypes_per_class=2, n_init=5),
        cell("kmex-3-5", [0, 1], name="kmex", prototypes_per_class=3, n_init=5),
        cell("kmex-4-5", [0, 1], name="kmex", prototypes_per_class=4, n_init=5),
        cell("kmex-7-5", [0, 1], name="kmex", prototypes_per_class=7, n_init=5),
    ]  # fmt: skip


VARIED = declared(Varied("kmex", "prototypes_per_class"))


def test_a_hyperparameter_runs_down_the_rows_in_the_order_of_its_values(ablation):
    """Around the plain entry, although more entries share another `n_init`."""
    assert texts(filled(VARIED, ablation)[0]) == {
        "kmex, prototypes_per_class = 2": ["0"], "kmex, prototypes_per_class = 5": ["50"],
        "kmex, prototypes_per_class = 10": ["100"],
    }  # fmt: skip


def test_without_a_plain_entry_the_largest_group_counts(ablation):
    rows = texts(filled(VARIED, ablation[1:])[0])
    assert list(rows) == [f"kmex, prototypes_per_class = {number}" for number in (2, 3, 4, 7)]


def test_values_that_are_words_are_in_alphabetical_order(cell):
    results = [cell("kmex", [1], similarity="distance"), cell("k", [1], name="kmex", similarity="cosine")]
    (table,) = filled(declared(Varied("kmex", "similarity")), results)
    assert list(texts(table)) == [
        "kmex, similarity = cosine",
        "kmex, similarity = distance",
    ]


def test_an_ablation_that_was_not_run(cell):
    assert texts(filled(VARIED, [cell("flint", [1])])[0]) == {"kmex": ["not run"]}
