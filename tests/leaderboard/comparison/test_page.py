import csv
import io
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from places import RESULTS
from sembench.cli.main import app
from sembench_leaderboard.comparison.page import FIELDS, statistics_files
from sembench_leaderboard.comparison.suite import suite_comparisons


@pytest.fixture(scope="module")
def files(synthetic_suite):
    return statistics_files(synthetic_suite)


@pytest.fixture(scope="module")
def suite(synthetic_suite):
    (own,) = suite_comparisons(synthetic_suite)
    return own


@pytest.fixture(scope="module")
def rows(files):
    return list(csv.DictReader(io.StringIO(files["quick/statistics.csv"].decode())))


def select(rows, **wanted):
    return [row for row in rows if all(row[field] == value for field, value in wanted.items())]


def test_the_files_are_a_page_a_table_and_a_diagram_per_test(files, suite):
    charts = {f"quick/critical-difference-{own.metric}.{form}" for own in suite.rankings for form in ("png", "svg")}
    assert set(files) == {"quick/statistics.md", "quick/statistics.csv"} | charts
    page = files["quick/statistics.md"].decode()
    for name in charts:
        if name.endswith(".png"):
            assert f"({name.removeprefix('quick/')})" in page


def test_the_same_results_in_any_order_give_the_same_bytes(files, synthetic_suite):
    assert statistics_files(reversed(synthetic_suite)) == files


def test_controls_and_the_black_box_have_no_rank_and_no_place(rows):
    parts = {row["part"] for row in rows}
    assert parts == {"difference", "best", "dominated", "undominated", "rank", "friedman", "critical difference"}
    assert not {"chance", "collapsed", "shuffled", "blackbox"} & {row["explainer"] for row in rows}
    assert {row["against"] for row in select(rows, part="difference")} == {"blackbox", "kmex"}
    assert {"chance", "collapsed", "shuffled", "blackbox"}.isdisjoint(
        row["against"] for row in rows if row["part"] != "difference"
    )


def test_numbers_are_those_of_the_results(rows, synthetic_suite):
    """A difference and a mean rank, computed a second time from the scores."""

    def mean(explainer, dataset, metric):
        own = [r.scores[metric].values for r in synthetic_suite if (r.explainer, r.dataset) == (explainer, dataset)]
        return sum(sum(values) / len(values) for values in own) / len(own)

    (row,) = select(rows, part="difference", dataset="letters", metric="ro_auroc", explainer="b4", against="kmex")
    assert float(row["value"]) == pytest.approx(mean("b4", "letters", "ro_auroc") - mean("kmex", "letters", "ro_auroc"))
    assert float(row["low"]) < float(row["value"]) < float(row["high"])
    names = ["b234", "b4", "cnn", "flint", "kmex", "kmex(flint)", "protopnet", "protovae"]
    for name in names:
        places = [
            1 + sum(mean(other, dataset, "lrp_kl") < mean(name, dataset, "lrp_kl") for other in names)
            for dataset in ("digits", "letters")
        ]
        (row,) = select(rows, part="rank", metric="lrp_kl", explainer=name)
        assert float(row["value"]) == sum(places) / 2


def test_probabilities_sum_to_one(suite):
    for compared in suite.compared:
        assert sum(compared.best.values()) == pytest.approx(1)


def test_p_values_are_corrected_within_a_table(suite):
    for compared in suite.compared:
        known = [d for d in compared.differences if d.p is not None]
        smallest = min(known, key=lambda d: d.p)
        assert smallest.corrected == pytest.approx(min(1, len(known) * smallest.p))
        assert all(d.corrected >= d.p for d in known)


def test_a_metric_that_the_black_box_lacks_is_compared_with_kmex_only(rows, files):
    assert not select(rows, part="difference", metric="ghosting", against="blackbox")
    assert len(select(rows, part="difference", metric="ghosting", against="kmex", dataset="digits")) == 6
    assert "Not compared with blackbox: it has no score here." in files["quick/statistics.md"].decode()


def test_a_suite_without_the_black_box_says_so(build):
    made = statistics_files(build.suite(["kmex", "flint"], ["digits"], [0, 1]))
    assert "Not compared with blackbox: no result of blackbox." in made["quick/statistics.md"].decode()


def test_one_seed_has_intervals_but_no_p_values(build):
    (own,) = suite_comparisons(build.suite(["blackbox", "kmex", "flint"], ["digits"], [0]))
    assert all(d.interval is not None and d.p is None for compared in own.compared for d in compared.differences)
    made = statistics_files(build.suite(["blackbox", "kmex", "flint"], ["digits"], [0]))
    assert b"one seed speaks of one trained model" in made["quick/statistics.csv"]


def test_one_data_set_has_no_ranks_and_says_why(build):
    made = statistics_files(build.suite(["blackbox", "kmex", "flint", "b4"], ["digits"], [0, 1]))
    assert set(made) == {"quick/statistics.md", "quick/statistics.csv"}
    assert ": 1 data set, 2 are needed." in made["quick/statistics.md"].decode()


def test_two_explainers_have_no_ranks_and_it_says_why(build):
    made = statistics_files(build.suite(["blackbox", "kmex", "flint"], ["digits", "letters"], [0, 1]))
    assert ": 2 explainers, 3 are needed." in made["quick/statistics.md"].decode()


def test_an_explainer_that_did_not_run_everywhere_has_no_rank(build):
    cells = build.suite(["blackbox", "kmex", "flint", "b4"], ["digits", "letters"], [0, 1])
    cells += build.suite(["protopnet"], ["digits"], [0, 1])
    (own,) = suite_comparisons(cells)
    (ranking,) = (r for r in own.rankings if r.metric == "lrp_kl")
    assert (ranking.methods, ranking.left_out) == (("b4", "flint", "kmex"), ("protopnet",))
    text = statistics_files(cells)["quick/statistics.md"].decode()
    assert "Without a rank, since not on all data sets: protopnet." in text
    assert "**No power**: even if all 2 data sets agreed completely on the order of 3 methods, p would be 0.135" in text


def test_suites_are_kept_apart(build):
    cells = [
        cell.model_copy(update={"suite": suite})
        for suite in ("one", "two")
        for cell in build.suite(["blackbox", "kmex"], ["digits"], [0, 1])
    ]
    made = statistics_files(cells)
    assert set(made) == {f"{suite}/statistics.{form}" for suite in ("one", "two") for form in ("md", "csv")}


def test_fields_of_the_table(rows):
    assert tuple(rows[0]) == FIELDS


def test_profiles_come_first_and_ranks_last(files):
    page = files["quick/statistics.md"].decode()
    assert page.index("Profiles first, ranks last") < page.index("## digits") < page.index("## Pareto set")
    assert page.rindex("\n## ") == page.index("\n## Ranks over data sets")


def test_the_command_writes_and_then_finds_what_is_stale(tmp_path):
    arguments = ["statistics", "--results", str(RESULTS), "--suite", "quick", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert CliRunner().invoke(app, [*arguments, "--check"]).exit_code == 0
    (tmp_path / "quick" / "statistics.csv").write_text("old")
    found = CliRunner().invoke(app, [*arguments, "--check"])
    assert (found.exit_code, found.output) == (1, "stale: quick/statistics.csv\n")


def test_the_command_loads_no_torch(tmp_path):
    arguments = ["statistics", "--results", str(RESULTS), "--suite", "quick", "--out", str(tmp_path)]
    code = (
        f"import sys; from sembench.cli.main import app; app({arguments!r}, standalone_mode=False); "
        "print(sorted({'torch', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
