import csv
import io
import subprocess
import sys

import pytest

from sembench.results.result import write_result
from sembench_leaderboard.entries import versions
from sembench_leaderboard.sensitivity.change import entry_changes, metric_changes
from sembench_leaderboard.sensitivity.page import FIELDS, sensitivity_files


@pytest.fixture(scope="module")
def varied(build):
    """LRP-KL (lower is better) of four methods: the variant puts `c` first and ties `b` with `d`."""
    primary = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "black": 0.05}
    other = {"a": 0.6, "b": 0.9, "c": 0.4, "d": 0.9, "black": 9.0}

    def cell(name, dataset, seed):
        values = [primary[name] - 0.05, primary[name] + 0.05]
        variants = {"reverse": (other[name], other[name])}
        score = build.scored("lrp_kl", values, variants=variants)
        kind = "reference" if name == "black" else "explainer"
        return build.result({"lrp_kl": score}, explainer=name, dataset=dataset, seed=seed, kind=kind)

    return [cell(name, dataset, seed) for name in primary for dataset in ("digits", "letters") for seed in (0, 1)]


def test_a_metrics_variant(varied):
    digits, letters = metric_changes(varied)
    assert (digits.dataset, letters.dataset) == ("digits", "letters")
    assert (digits.variant, digits.metric, digits.methods) == ("reverse", "lrp_kl", ("a", "b", "c", "d"))
    assert digits.changes == pytest.approx((0.5, 0.7, 0.1, 0.5))
    assert (digits.mean_change, digits.largest_change) == (pytest.approx(0.45), pytest.approx(0.7))
    assert digits.swaps == digits.clear == (("a", "c"), ("b", "c"))
    assert digits.pairs == 6
    assert digits.tau == pytest.approx((3 - 2) / 30**0.5)  # a<b, a<d, c<d; a>c, b>c; b and d tie
    assert digits.firsts == (("a",), ("c",))


def test_methods_without_the_rules_of_a_head_keep_their_number(build):
    """`a` and `b` have a rule, `c` and `d` have none: the rule moves `a` behind `c`, beyond doubt."""
    primary, rule = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}, {"a": 0.35, "b": 0.15}

    def cell(name, seed):
        variants = {"reverse": (0.5, 0.5)} | (
            {"rule=prp": (rule[name] - 0.01, rule[name] + 0.01)} if name in rule else {}
        )
        score = build.scored("lrp_kl", [primary[name] - 0.01, primary[name] + 0.01], variants=variants)
        return build.result({"lrp_kl": score}, explainer=name, seed=seed)

    reverse, prp = metric_changes([cell(name, seed) for name in primary for seed in (0, 1)])
    assert (reverse.variant, reverse.changed) == ("reverse", ("a", "b", "c", "d"))
    assert (prp.variant, prp.methods, prp.changed) == ("rule=prp", ("a", "b", "c", "d"), ("a", "b"))
    assert prp.other == pytest.approx((0.35, 0.15, 0.3, 0.4))
    assert prp.changes == pytest.approx((0.25, -0.05))
    assert prp.swaps == prp.clear == (("a", "b"), ("a", "c"))
    assert prp.firsts == (("a",), ("b",))


def test_a_method_for_which_a_variant_is_undefined_has_no_place_in_its_order(build):
    cells = [
        build.result({"diversity": build.scored("diversity", [v], variants=own)}, explainer=name)
        for name, v, own in (("a", 0.1, {"within class": (0.2,)}), ("b", 0.2, {"within class": (0.1,)}), ("c", 0.3, {}))
    ]
    (change,) = metric_changes(cells)
    assert change.methods == change.changed == ("a", "b")


def test_the_page_says_what_a_rule_decides_and_that_a_variant_has_no_level_of_its_own(varied):
    text = " ".join(sensitivity_files(varied)["quick/sensitivity.md"].decode().split())
    assert "decides LRP-KL wherever the last feature map has more than one cell" in text
    assert "A variant has no chance level and no further level of its own" in text


def test_numbers_of_an_older_version_are_marked(varied, monkeypatch):
    monkeypatch.setattr(
        versions, "current_versions", lambda: {"lrp_kl": varied[0].scores["lrp_kl"].measure.version + 1}
    )
    text = sensitivity_files(varied)["quick/sensitivity.md"].decode()
    assert text.count("**Old**: version") == 2  # above, and where the numbers stand


def test_ties_share_the_first_place(build):
    cells = [
        build.result({"ghosting": build.scored("ghosting", [0, value], variants={"all": (0.0, 0.0)})}, explainer=name)
        for name, value in {"a": 0, "b": 0, "c": 1}.items()
    ]
    (change,) = metric_changes(cells)
    assert change.firsts == (("a", "b"), ("a", "b", "c"))
    assert (change.tau, change.rho, change.swaps) == (None, None, ())


def test_where_higher_is_better_the_first_is_the_highest(build):
    cells = [
        build.result({"ro_auroc": build.scored("ro_auroc", [v], variants={"x": (1 - v,)})}, explainer=name)
        for name, v in {"a": 0.2, "b": 0.7, "c": 0.4}.items()
    ]
    (change,) = metric_changes(cells)
    assert change.firsts == (("b",), ("a",))
    assert (change.tau, change.rho) == (-1, -1)


def test_two_methods_have_a_first_place_but_no_correlation(build):
    cells = [
        build.result({"ro_auroc": build.scored("ro_auroc", [v], variants={"x": (1 - v,)})}, explainer=name)
        for name, v in {"a": 0.2, "b": 0.7}.items()
    ]
    (change,) = metric_changes(cells)
    assert (change.tau, change.rho, change.swaps) == (None, None, (("a", "b"),))
    (text,) = (text.decode() for path, text in sensitivity_files(cells).items() if path.endswith(".md"))
    row = next(line for line in text.splitlines() if line.startswith("| x "))
    assert [cell.strip() for cell in row.split("|")[3:-1]] == ["2", "+0.100", "+0.600", "", "", "", "b → a"]


@pytest.fixture(scope="module")
def entries(build):
    """KMEx, plain, with another similarity, and with two changes; FLINT plain, and with that similarity; B4."""

    def cell(label, name, auroc, **hyperparameters):
        made = build.result(
            {"ro_auroc": build.scored("ro_auroc", [auroc])}, explainer=label, settings={"explainer": {"name": name}}
        )
        return made.model_copy(update={"hyperparameters": {"similarity": "distance", "n_init": 1} | hyperparameters})

    return [
        cell("kmex", "kmex", 0.7), cell("kmex-log", "kmex", 0.3, similarity="log"),
        cell("kmex-odd", "kmex", 0.9, similarity="log", n_init=5), cell("kmex-5", "kmex", 0.72, n_init=5),
        cell("flint", "flint", 0.6), cell("flint-log", "flint", 0.65, similarity="log"),
        cell("b4", "b4", 0.5),
        cell("x-1", "x", 0.1), cell("x-2", "x", 0.2, n_init=2),
    ]  # fmt: skip


def test_entries_that_differ_in_one_hyperparameter(entries):
    restarts, log = entry_changes(entries)
    assert (log.variant, restarts.variant) == ("similarity = log", "n_init = 5")
    assert log.methods == restarts.methods == ("b4", "flint", "kmex")  # x has no plain entry
    assert (log.primary, log.other) == ((0.5, 0.6, 0.7), (0.5, 0.65, 0.3))
    assert log.changed == ("flint", "kmex")
    assert log.changes == pytest.approx((0.05, -0.4))
    assert log.swaps == (("b4", "kmex"), ("flint", "kmex"))
    assert log.firsts == (("kmex",), ("flint",))
    assert (restarts.other, restarts.tau) == ((0.5, 0.6, 0.72), 1)


def test_the_report(varied, entries):
    cells = [cell.model_copy(update={"suite": "quick"}) for cell in [*varied, *entries]]
    files = sensitivity_files(cells)
    assert list(files) == ["quick/sensitivity.md", "quick/sensitivity.csv"]
    text = " ".join(files["quick/sensitivity.md"].decode().split())
    assert "| reverse | digits | 4 | +0.450 | +0.700 | 0.18 |" in text
    assert "| reverse | *mean* | | +0.450 | | 0.18 |" in text
    assert "4 of 12" in text
    assert "2 of 6, 2 clear" in text
    assert "- reverse, digits: a and c, b and c" in text
    assert "| similarity = log | digits | 3, 2 changed |" in text
    assert "kmex → flint" in text
    rows = list(csv.DictReader(io.StringIO(files["quick/sensitivity.csv"].decode())))
    assert list(rows[0]) == list(FIELDS)
    assert [(row["varied"], row["variant"], row["swapped"]) for row in rows] == [
        ("metric", "reverse", "a/c b/c"), ("metric", "reverse", "a/c b/c"),
        ("entry", "n_init = 5", ""), ("entry", "similarity = log", "b4/kmex flint/kmex"),
    ]  # fmt: skip
    assert sensitivity_files(cells[::-1]) == files


def test_changes_of_shares_of_images_are_points(build):
    cells = [
        build.result({"accuracy": build.scored("accuracy", [1, 0], variants={"x": (1.0, 1.0)})}, explainer=name)
        for name in "ab"
    ]
    text = sensitivity_files(cells)["quick/sensitivity.md"].decode()
    assert "### Accuracy, points" in text
    assert "Without" not in text
    assert "+50.0" in text


def test_a_swap_of_methods_that_are_as_good_as_equal_is_not_clear(build):
    """Better by .01 on the mean of images that differ by much more, and worse by as little under the variant."""
    noise = [0.1, 0.9] * 20
    before, after = ([value * scale for value in noise[::-1]] for scale in (0.98, 1.02))

    cells = [
        build.result({"ro_auroc": build.scored("ro_auroc", own, variants={"x": tuple(other)})}, explainer=name)
        for name, own, other in (("a", noise, noise), ("b", before, after))
    ]
    (change,) = metric_changes(cells)
    assert (change.swaps, change.clear) == ((("a", "b"),), ())


def test_entries_without_effect_are_listed_and_many_ties_counted(build):
    def cell(label, name, **hyperparameters):
        score = build.scored("ghosting", [0, 0])
        made = build.result({"ghosting": score}, explainer=label, settings={"explainer": {"name": name}})
        return made.model_copy(update={"hyperparameters": {"rule": "prp"} | hyperparameters})

    plain = [cell(name, name) for name in "abcd"]
    text = sensitivity_files([*plain, cell("a-2", "a", rule="neon")])["quick/sensitivity.md"].decode()
    assert "Without any effect: rule = neon." in text
    worse = cell("a-3", "a", rule="gxi").model_copy(update={"scores": {"ghosting": build.scored("ghosting", [1, 1])}})
    text = sensitivity_files([*plain, worse])["quick/sensitivity.md"].decode()
    assert "4 tie → b, c, d" in text


def test_a_report_without_variants_says_how_to_get_them(build):
    text = sensitivity_files(build.suite(["kmex"], ["digits"], [0]))["quick/sensitivity.md"].decode()
    assert "`sembench run --variants`" in text
    assert "no entry differs" in text


def test_the_command_writes_and_checks(varied, tmp_path):
    for result in varied:
        write_result(tmp_path / "results", result)

    def run(*more):
        command = ["sensitivity", "--results", tmp_path / "results", "--out", tmp_path / "out", *more]
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "sembench", *map(str, command)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run("--check").returncode == 1
    done = run()
    assert (done.returncode, "torch" in done.stderr) == (0, False)
    assert run("--check").returncode == 0
