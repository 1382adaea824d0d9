"""The time that a report of 1,000 results takes, its size, and the time until a reader can use it.

Twenty methods on ten data sets with five seeds and ten metrics each, and 1,000 entries with one seed.
"""

import re

import pytest

import builders
from sembench_leaderboard.report.page import page

MEGABYTE = 1e6


@pytest.fixture(scope="module", params=[(20, 10, 5), (20, 50, 1)], ids=["seeds", "entries"])
def results(request):
    methods, datasets, seeds = request.param
    names = ["blackbox", "kmex", "flint", "kmex(flint)", "chance", *[f"method-{n}" for n in range(methods - 5)]]
    found = builders.suite_of(names, [f"set-{'x' * place}" for place in range(datasets)], range(seeds))
    assert len(found) == 1000
    return found


@pytest.mark.slow
def test_a_thousand_results_make_a_page_of_a_few_megabytes(benchmark, results):
    made = benchmark.pedantic(page, ("quick", results), rounds=1)
    assert len(made.encode()) < 10 * MEGABYTE


@pytest.mark.slow
def test_a_reader_can_use_it(benchmark, results, tmp_path):
    import browser

    command = browser.find_chromium()
    if command is None:
        pytest.skip("no Chromium or Chrome is installed (Debian: apt-get install chromium); the report is not opened")
    path = tmp_path / "report.html"
    path.write_text(page("quick", results), "utf-8")
    with browser.Browser(command, tmp_path / "profile") as opened:
        opened.size(1280, 900)
        benchmark.pedantic(opened.open, (path,), rounds=3)
        assert opened.errors == []
        assert "of" in opened.run("document.getElementById('table-state').textContent")


@pytest.mark.slow
def test_a_browser_has_little_to_lay_out_at_first(results):
    """What decides the time: elements outside of what is text until it is opened. Most of a page was once not."""
    parsed = re.sub(r"<noscript.*?</noscript>", "", page("quick", results), flags=re.DOTALL)
    assert 5_000 < len(re.findall(r"<[a-z]", parsed)) < 20_000
