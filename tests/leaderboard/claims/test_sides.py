import pytest

from sembench_leaderboard.claims.claim import Along, Claim, Test, in_words
from sembench_leaderboard.claims.sides import entries_along, sides
from sembench_leaderboard.entries.selection import Missing, method

L = "prototypes_per_class"
KMEX, FLINT = method("kmex"), method("flint")


@pytest.fixture
def entry(build):
    """A run without scores."""

    def make(label, name="kmex", **hyperparameters):
        run = build.result({}, explainer=label, settings={"explainer": {"name": name}})
        return run.model_copy(update={"hyperparameters": hyperparameters})

    return make


def labels(pairs):
    return [(first.label, second.label if second else None) for first, second in pairs]


def planted(first, pairs, second=(), **fields):
    return Claim("k", "S.", "[K]", ("accuracy",), first, Test("above"), second, along=Along(L, pairs, **fields))


@pytest.fixture
def curves(entry):
    """Three numbers of prototypes of KMEx, in no order, and two of FLINT."""
    return [
        entry("kmex-20", prototypes_per_class=20), entry("kmex-1", prototypes_per_class=1),
        entry("kmex-5", prototypes_per_class=5),
        entry("flint-5", "flint", prototypes_per_class=5), entry("flint-20", "flint", prototypes_per_class=20),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (planted((KMEX,), "all"), [("kmex-5", "kmex-1"), ("kmex-20", "kmex-1"), ("kmex-20", "kmex-5")]),
        (planted((KMEX,), "all", least=2), [("kmex-20", "kmex-5")]),
        (planted((KMEX,), "steps"), [("kmex-5", "kmex-1"), ("kmex-20", "kmex-5")]),
        (planted((KMEX,), "extremes"), [("kmex-20", "kmex-1")]),
        (planted((KMEX,), "same", (FLINT,)), [("kmex-5", "flint-5"), ("kmex-20", "flint-20")]),
        (planted((KMEX,), "same"), [("kmex-1", None), ("kmex-5", None), ("kmex-20", None)]),
        (planted((KMEX,), "ends"), [("kmex-1", None), ("kmex-20", None)]),
    ],
)
def test_entries_are_compared_along_a_hyper_parameter(curves, claim, expected):
    assert labels(sides(claim, curves)) == expected


def test_a_curve_shares_all_other_hyper_parameters(entry):
    plain, ten = (
        entry("kmex", prototypes_per_class=5, rule="prp"),
        entry("kmex-L10", prototypes_per_class=10, rule="prp"),
    )
    others = [entry("a", prototypes_per_class=5, rule="neon"), entry("b", prototypes_per_class=10, rule="neon")]
    assert {value: one.label for value, one in entries_along(KMEX, Along(L, "all"), [*others, ten, plain]).items()} == {
        5: "kmex", 10: "kmex-L10",
    }  # fmt: skip
    several = entries_along(KMEX, Along(L, "all"), [*others, ten, entry("kmex-L5", prototypes_per_class=5, rule="prp")])
    assert several == Missing("2 groups of entries are kmex; label the plain one kmex")


def test_a_conversion_varies_with_its_model(entry):
    def conversion(count):
        base = {L: count, "epochs": 2}
        return entry(f"c-{count}", "kmex(flint)", prototypes_per_class=count, of="flint", base=base)

    found = entries_along(method("kmex(flint)"), Along(L, "all"), [conversion(1), conversion(5)])
    assert list(found) == [1, 5]


def test_one_value_is_no_curve(entry):
    single = entries_along(KMEX, Along(L, "all"), [entry("kmex", prototypes_per_class=5)])
    assert single == Missing(f"no result of kmex with several values of {L}")


def test_each_two_of_the_same_methods_are_compared_once(entry):
    both = (KMEX, FLINT, method("b4"))
    claim = Claim("k", "S.", "[K]", ("accuracy",), both, Test("within", 0.1), both)
    runs = [entry(name, name) for name in ("kmex", "flint", "b4")]
    assert labels(sides(claim, runs)) == [("kmex", "flint"), ("kmex", "b4"), ("flint", "b4")]
    assert "of each of kmex, flint, b4 minus that of each other is within 0.1 of 0" in in_words(claim)
