import re
import subprocess
import sys

import pytest

from sembench.errors import UnknownName
from sembench.results.result import write_result
from sembench_leaderboard.entries import versions
from sembench_leaderboard.entries.entry import COLUMNS
from sembench_leaderboard.papers.declared import PAPERS
from sembench_leaderboard.papers.page import paper_files
from sembench_leaderboard.papers.quantity import Score


@pytest.fixture(scope="module")
def files(synthetic_suite):
    return paper_files(synthetic_suite)


def test_both_papers_as_markdown_and_latex(files, synthetic_suite):
    assert list(files) == [f"quick/paper-{paper}.{form}" for paper in ("kmex", "posthoc") for form in ("md", "tex")]
    assert list(paper_files(synthetic_suite, ["posthoc"])) == ["quick/paper-posthoc.md", "quick/paper-posthoc.tex"]
    assert paper_files(synthetic_suite[::-1]) == files


def tables(text):
    """First column of every table of a page, below its heading."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: re.findall(r"^\| (\S.*?) *\|", part, re.MULTILINE) for part in parts}


SEMS = ["FLINT", "ProtoPNet", "ProtoVAE", "black box+KMEx"]
TIMED = ["black box+KMEx", "ProtoPNet", "FLINT", "ProtoVAE"]
ROWS = {
    "Table 3": ["black box", *SEMS],
    "Table 4": ["black box", *SEMS],
    **dict.fromkeys(("Table 5", "Table 6", "Table 7"), SEMS),
    "Table 8": [
        "FLINT+KMEx", "Difference to FLINT", "ProtoPNet+KMEx", "Difference to ProtoPNet", "ProtoVAE+KMEx",
        "Difference to ProtoVAE",
    ],
    "Table 11": TIMED,
    "Table 12": TIMED,
    "Table 13": ["black box+KMEx", "black box+BisectingKMEx"],
    "Table 14": ["Accuracy on digits", "Accuracy on letters"],
    "Fig. 8": ["kmex"],
    "Fig. 9": ["kmex"],
}  # fmt: skip


def test_the_tables_of_kmex_are_numbered_and_have_the_rows_of_its_text_in_order(files):
    found = tables(files["quick/paper-kmex.md"].decode())
    assert [re.search(r"(Table|Fig\.) \d+", heading).group() for heading in found] == list(ROWS)
    for (number, wanted), rows in zip(ROWS.items(), found.values(), strict=True):
        theirs = [row for row in rows if r"\[ours\]" not in row]
        if number == "Table 14":
            theirs = [row.partition(r" \[ours\]")[0] for row in rows]
        assert list(dict.fromkeys(row.partition(", ")[0] for row in theirs)) == wanted, number


def test_the_tables_of_posthoc_have_the_rows_and_columns_of_its_text(files):
    text = files["quick/paper-posthoc.md"].decode()
    alignment, accuracies = (
        [row for row in rows if r"\[ours\]" not in row] for rows in tables(text).values()
    )  # fmt: skip
    assert alignment == ["CNN", "KMEx (L = 1)", "KMEx", "ProtoPNet"]
    assert accuracies == ["CNN", "KMEx", "ProtoPNet", "ProtoPNet in Chen et al.", "Ours B4", "Ours B234"]
    heads = [" ".join(line.split()) for line in text.splitlines() if line.startswith("|  ")]
    assert r"digits: class \[ours\] ↑ | digits: out \[ours\] ↓" in heads[0]
    assert r"digits: train \[ours\], % ↑ | digits: test \[ours\], % ↑" in heads[1]
    assert "as published: not repeated" in text


def test_the_table_of_kl_says_beside_which_level_it_is_read(files):
    text = files["quick/paper-kmex.md"].decode()
    assert "below the level headless of the board" in text.partition("Table 6")[2].partition("## ")[0]


def test_nothing_is_said_to_be_unverified(files):
    assert not [path for path, text in files.items() if b"verified" in text]


def test_a_table_of_results_of_an_older_version_says_so(synthetic_suite, monkeypatch):
    held = synthetic_suite[0].scores["lrp_kl"].measure.version
    monkeypatch.setattr(versions, "current_versions", lambda: {"lrp_kl": held + 1})
    made = paper_files(synthetic_suite, ["kmex"])
    for form in ("md", "tex"):
        text = made[f"quick/paper-kmex.{form}"].decode()
        assert text.count(f"Old: version {held} of LRP-KL") == (3 if form == "md" else 5)  # Table 6, Figs. 8 and 9
    titled = synthetic_suite[0].scores["lrp_kl"]
    evil = titled.model_copy(update={"measure": titled.measure.model_copy(update={"title": "<b>$"})})
    scores = synthetic_suite[0].scores | {"lrp_kl": evil}
    made = paper_files([synthetic_suite[0].model_copy(update={"scores": scores})], ["kmex"])
    assert r"of \<b\>\$; sembench" in made["quick/paper-kmex.md"].decode()
    assert "Old: version" not in paper_files(synthetic_suite, ["posthoc"])["quick/paper-posthoc.md"].decode()


def test_latex_has_a_labelled_float_for_each_table(files):
    text = files["quick/paper-kmex.tex"].decode()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 10 + 2 * 2  # a radar's for each data set
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels))
    assert "tab:quick-kmex-auroc" in labels
    assert "tab:quick-kmex-similarity-letters" in labels
    assert "After [K] Table 12: test time of a single image" in text
    assert re.search(r"^black box\+KMEx & \$[\d.]+\$ \$\\pm\$ \$[\d.]+\$ & ", text, re.MULTILINE)
    assert "±" not in text


def test_what_was_not_run_is_shown_as_such(files):
    text = " ".join(files["quick/paper-kmex.md"].decode().split())
    assert "| ProtoVAE+KMEx | not run | not run |" in text
    assert re.search(r"\| FLINT \| 9\d", text)


def test_declarations_name_what_exists():
    for _, declared in PAPERS.values():
        keys = [table.key for table in declared]
        assert len(set(keys)) == len(keys)
        for quantity in (quantity for table in declared for quantity in table.quantities):
            assert not isinstance(quantity, Score) or quantity.metric in COLUMNS


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
