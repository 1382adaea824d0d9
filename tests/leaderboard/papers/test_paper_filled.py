import pytest

from sembench_leaderboard.entries.selection import method
from sembench_leaderboard.papers.table import PaperTable, Score, Spent, Varied, filled

KMEX, FLINT, B4 = method("kmex"), method("flint"), method("b4")


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
    (table,) = filled(PaperTable("a", "Accuracy", "[K]", (KMEX, FLINT, B4), (Score("accuracy"),)), results)
    assert [(column.title, column.direction, column.unit) for column in table.columns] == [
        ("digits", "higher", "%"), ("letters", "higher", "%"),
    ]  # fmt: skip
    # 75 and 50 %: mean 62.5, sample standard deviation 17.7; a single seed has no spread
    assert texts(table) == {
        "kmex": ["62.5 ± 17.7", "50"], "flint": ["50.0 ± 70.7", "not run"], "b4": ["not run", "not run"],
    }  # fmt: skip


def test_several_quantities_stand_in_a_table_for_each_data_set(cell, build):
    spent = build.cost(fit_seconds=0.25, hyperparameters=7)
    results = [cell("kmex", [1, 0], spent=spent), cell("kmex", [1], dataset="letters", spent=spent)]
    quantities = (Score("accuracy"), Spent("fit_seconds", "Fit", "ms", 1e3), Spent("hyperparameters", "Number"))
    digits, letters = filled(PaperTable("a", "Cost", "[K]", (KMEX,), quantities), results)
    assert (digits.heading, letters.heading) == ("digits", "letters")
    assert [(column.title, column.unit) for column in digits.columns] == [
        ("Accuracy", "%"), ("Fit", "ms"), ("Number", ""),
    ]  # fmt: skip
    assert texts(digits) == {"kmex": ["50", "250", "7"]}


def test_counts_that_agree_have_no_spread(cell, build):
    spent = [build.cost(hyperparameters=7, fit_seconds=seconds) for seconds in (1.0, 2.0)]
    results = [cell("kmex", [1], seed=seed, spent=own) for seed, own in enumerate(spent)]
    declared = PaperTable(
        "a", "Cost", "[K]", (KMEX,), (Spent("hyperparameters", "n"), Spent("fit_seconds", "Fit", "s"))
    )
    assert texts(filled(declared, results)[0]) == {"kmex": ["7", "1.5 ± 0.7"]}


def test_what_does_not_apply_has_its_reason_as_a_note(cell):
    results = [cell("kmex", None), cell("flint", None), cell("b4", [1])]
    (table,) = filled(PaperTable("a", "Accuracy", "[K]", (KMEX, FLINT, B4), (Score("accuracy"),)), results)
    assert texts(table) == {"kmex": ["n/a"], "flint": ["n/a"], "b4": ["100"]}
    assert table.notes == ("it decides nothing",)
    assert table.rows[1].cells[0].note == 0


def test_what_was_not_measured_is_no_number(cell, build):
    spent = build.cost(explain_seconds_per_image=None)
    quantities = (Score("lrp_kl"), Spent("explain_seconds_per_image", "Explain"))
    (table,) = filled(PaperTable("a", "KL", "[K]", (KMEX,), quantities), [cell("kmex", [1], spent=spent)])
    assert texts(table) == {"kmex": ["—", "—"]}
    assert table.columns[0].title == "lrp_kl"


def test_rows_beyond_the_paper_appear_where_they_were_run(cell):
    declared = PaperTable("a", "Accuracy", "[K]", (KMEX,), (Score("accuracy"),), further=(FLINT, B4))
    (table,) = filled(declared, [cell("kmex", [1]), cell("b4", [1])])
    assert list(texts(table)) == ["kmex", "b4"]


def test_a_row_of_two_names_says_which_one_it_shows(cell):
    row = method("protopnet-parts", "protopnet")
    declared = PaperTable("a", "Accuracy", "[C]", (row,), (Score("accuracy"),))
    assert list(texts(filled(declared, [cell("protopnet", [1])])[0])) == ["protopnet"]
    assert texts(filled(declared, [cell("kmex", [1])])[0]) == {"protopnet-parts or protopnet": ["not run"]}


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


VARIED = PaperTable("a", "Numbers", "[K]", (Varied("kmex", "prototypes_per_class"),), (Score("accuracy"),))


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
    declared = PaperTable("a", "Similarities", "[K]", (Varied("kmex", "similarity"),), (Score("accuracy"),))
    assert list(texts(filled(declared, results)[0])) == ["kmex, similarity = cosine", "kmex, similarity = distance"]


def test_an_ablation_that_was_not_run(cell):
    assert texts(filled(VARIED, [cell("flint", [1])])[0]) == {"kmex": ["not run"]}
