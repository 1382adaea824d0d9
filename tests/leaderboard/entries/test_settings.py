"""A board of results that were computed with other settings than the suite's says so."""

from sembench.suites.plan import plan
from sembench.suites.suite import load_suite
from sembench_leaderboard.board.page import page
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.settings import altered
from sembench_leaderboard.report.page import page as report


def cell(build, suite="quick", **changes):
    """A run of the suite quick as it stands, but for these fields of its settings."""
    (run,) = plan(load_suite("quick"), explainers=["kmex"], seeds=[0])
    settings = {group: {**run.settings[group], **own} for group, own in changes.items()}
    scores = {"ghosting": build.scored("ghosting", [0, 1])}
    return build.result(scores, suite=suite, settings={**run.settings, **settings})


def test_results_of_the_suite_as_it_stands_are_not_altered(build):
    assert altered("quick", [cell(build), cell(build, evaluation={"variants": True})]) == []


def test_every_field_that_differs_in_any_result_is_named(build):
    found = altered("quick", [cell(build, training={"epochs": 1}), cell(build, evaluation={"steps": 4})])
    assert found == ["evaluation.steps", "training.epochs"]


def test_of_a_suite_that_is_not_known_nothing_is_said(build):
    assert altered("birds", [cell(build, "birds", training={"epochs": 1})]) == []
    assert altered("../quick.toml", [cell(build)]) == []


def test_board_and_report_do_not_keep_the_suites_title(build):
    results = [cell(build, training={"epochs": 1})]
    text, html = page("quick", results, aggregate(results), {}), report("quick", results)
    assert text.startswith("# Board of the suite quick, with other settings\n")
    assert "Some of these results have other settings than the suite: training.epochs." in text
    assert "<h1>Suite quick, with other settings</h1>" in html
    assert "other settings than the suite: training.epochs." in html
    assert page("quick", [cell(build)], aggregate([cell(build)]), {}).startswith("# Board of the suite quick\n")
