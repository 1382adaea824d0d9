import re
import subprocess
import sys

import pytest

from sembench.errors import UnknownName
from sembench.results.result import Cost, write_result
from sembench_leaderboard.entries.entry import COLUMNS
from sembench_leaderboard.papers.declared import PAPERS
from sembench_leaderboard.papers.page import paper_files
from sembench_leaderboard.papers.table import Score, Spent


@pytest.fixture(scope="module")
def files(synthetic_suite):
    return paper_files(synthetic_suite)


def test_both_papers_as_markdown_and_latex(files, synthetic_suite):
    assert list(files) == [f"quick/paper-{paper}.{form}" for paper in ("kmex", "posthoc") for form in ("md", "tex")]
    assert list(paper_files(synthetic_suite, ["posthoc"])) == ["quick/paper-posthoc.md", "quick/paper-posthoc.tex"]
    assert paper_files(synthetic_suite[::-1]) == files


def test_every_table_is_there_with_its_source(files):
    for paper, (_, declared) in PAPERS.items():
        text = files[f"quick/paper-{paper}.md"].decode()
        for table in declared:
            assert f"## {table.title}" in text
        assert len(re.findall(r"^## ", text, re.MULTILINE)) == len(declared)
    text = files["quick/paper-kmex.md"].decode()
    for number in ("Table 4", "Table 8", "Table 11", "Table 12", "Table 13"):
        assert rf"\[K\] {number}." in text
    assert "could not be verified" in text


def test_latex_has_a_labelled_float_for_each_table(files):
    text = files["quick/paper-kmex.tex"].decode()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 10
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels))
    assert "tab:quick-kmex-auroc" in labels
    assert "tab:quick-kmex-cost-letters" in labels
    assert re.search(r"^kmex & \$[\d.]+\$ \$\\pm\$ \$[\d.]+\$ & ", text, re.MULTILINE)
    assert "±" not in text


def test_what_was_not_run_is_shown_as_such(files):
    text = " ".join(files["quick/paper-kmex.md"].decode().split())
    assert "| kmex(protovae) | not run | not run |" in text
    assert re.search(r"\| flint \| 9\d", text)


def test_declarations_name_what_exists():
    for _, declared in PAPERS.values():
        keys = [table.key for table in declared]
        assert len(set(keys)) == len(keys)
        for quantity in (quantity for table in declared for quantity in table.quantities):
            if isinstance(quantity, Score):
                assert quantity.metric in COLUMNS
            else:
                assert isinstance(quantity, Spent)
                assert quantity.field in Cost.model_fields


def test_an_unknown_paper_is_refused(synthetic_suite):
    with pytest.raises(UnknownName, match=r"kmx.*kmex"):
        paper_files(synthetic_suite, ["kmx"])


def test_the_command_writes_and_checks(synthetic_suite, tmp_path):
    for result in synthetic_suite:
        write_result(tmp_path / "results", result)

    def run(*more):
        command = ["papers", "--results", tmp_path / "results", "--out", tmp_path / "out", *more]
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "sembench", *map(str, command)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = run("--paper", "posthoc")
    assert (done.returncode, "torch" in done.stderr) == (0, False)
    assert sorted(path.name for path in (tmp_path / "out/quick").iterdir()) == ["paper-posthoc.md", "paper-posthoc.tex"]
    assert run("--paper", "posthoc", "--check").returncode == 0
    assert run("--check").returncode == 1
    wrong = run("--paper", "other")
    assert (wrong.returncode, "unknown paper 'other'" in wrong.stderr) == (2, True)
