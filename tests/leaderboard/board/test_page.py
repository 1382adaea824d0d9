import re

import pytest
from markdown_it import MarkdownIt

from sembench_leaderboard.board.contents import overview_tables
from sembench_leaderboard.board.page import definition, document, page
from sembench_leaderboard.entries import versions
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.tables.markdown import table
from sembench_leaderboard.tables.table import Cell, Column, Row, Table

HOSTILE = "a | b `c` <script>x</script>\n\n# head *i* [l](http://x) $y$ \\| &lt;"


@pytest.fixture(scope="module")
def render():
    """Shows Markdown with tables, as a reader's browser gets it."""
    return MarkdownIt("commonmark").enable("table").render


def test_a_table_as_text():
    content = Table(
        "Explanations",
        (Column("LRP-KL", "lower", "nats"), Column("by chance"), Column("RO-AUROC", "higher")),
        (
            Row("kmex", (Cell("0.17 [0.15, 0.19]"), Cell("0.2"), Cell("n/a", 0))),
            Row("by chance", (Cell(""), Cell(""), Cell("0.5")), aside=True),
        ),
        ("no maps",),
    )
    assert (
        "\n\n".join(table(content))
        == """\
|             |    LRP-KL, nats ↓ |   by chance |   RO-AUROC ↑ |
|:------------|------------------:|------------:|-------------:|
| kmex        | 0.17 [0.15, 0.19] |         0.2 |      n/a (1) |
| *by chance* |                   |             |          0.5 |

- (1) no maps"""
    )


def test_text_from_results_stays_text(build, render):
    score = build.not_applicable("zest", HOSTILE)
    measure = build.measure("zest", title=HOSTILE, unit=HOSTILE, note=HOSTILE, chance_is=HOSTILE, reference=HOSTILE)
    results = [build.result({"zest": score.model_copy(update={"measure": measure})}, dataset_licence=HOSTILE)]
    html = render(page("quick", results, aggregate(results), {}))
    assert "<script" not in html
    assert "<a " not in html
    assert "<em>i" not in html
    assert "<code>c" not in html
    assert html.count("&lt;script&gt;x&lt;/script&gt; # head *i* [l](http://x) $y$ \\| &amp;lt;") == 9
    first_table = html.split("<table>")[1].split("</table>")[0]
    rows = [len(re.findall("<t[dh][ >]", row)) for row in first_table.split("</tr>")[:-1]]
    assert rows == [2, 2]


def test_the_whole_page(synthetic_suite, render):
    entries = aggregate(synthetic_suite)
    text = page("quick", synthetic_suite, entries, {"radar.png": "Radar chart: all of them"})
    html = render(text)
    assert html.count("<table>") == 7 + 2 * (3 + 3 + 1 + 1)
    assert '<img src="radar.png" alt="Radar chart: all of them"' in html
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## All data sets", "## digits", "## letters", "## What the columns mean",
    ]  # fmt: skip
    assert "- (1) it has no prototypes\n- (2) its prototypes are the classifier's columns" in text
    assert (
        text.index("### Predictions") < text.index("### Controls") < text.index("### Cost") < text.index("### Variants")
    )
    assert max(len(line) for line in text.splitlines() if line.startswith("| kmex")) < 190
    assert text.endswith(".\n")


def test_every_number_of_the_page_is_an_entrys(build):
    results = [build.result({"accuracy": build.scored("accuracy", [1, 1, 1, 0], chance=0.25)}, seed=s) for s in (0, 1)]
    (entry,) = aggregate(results)
    row = next(line for line in page("quick", results, [entry], {}).splitlines() if line.startswith("| kmex"))
    printed = [float(word.strip("[],")) for word in row.strip("| ").split()[2:]]
    assert printed == pytest.approx([75.0, 100 * entry.low, 100 * entry.high], abs=0.05)


def test_definitions_say_what_a_column_means(build):
    assert definition("lrp_kl", build.measure("lrp_kl")) == (
        rf"- **LRP-KL** (lrp\_kl, version {build.measure('lrp_kl').version}): How LRP-KL is defined. Lower is better; "
        r"from 0 to ∞ nats; one score per explained image. Chance level: what a guess would score. "
        r"Reference: \[K\] on LRP-KL."
    )
    assert "from 0 to 1, shown in %; one score per test image" in definition(
        "accuracy", build.measure("accuracy", note="")
    )
    assert "version 1): Higher is better; from -∞ to ∞; one" in definition("zest", build.measure("zest", note=" "))


def levelled(build, note=""):
    """KMEx with an LRP-KL of .1, .3 by chance and .05 without the head; the black box has no such level."""
    kl = build.scored("lrp_kl", [0.1, 0.1], chance=(0.2, 0.4), levels={"headless": (0.04, 0.06)}, note=note)
    reference = build.scored("lrp_kl", [0, 0], chance=(0.1, 0.1))
    return [
        build.result({"lrp_kl": kl}), build.result({"lrp_kl": reference}, explainer="blackbox", kind="reference"),
    ]  # fmt: skip


def test_a_level_has_a_column_behind_chance_and_a_line_in_the_legend(build):
    results = levelled(build)
    text = page("quick", results, aggregate(results), {})
    table = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    heads, _, reference, kmex = table[:4]
    assert [cell.strip() for cell in heads] == ["", "LRP-KL, nats ↓", "by chance", "headless"]
    assert [cell.strip() for cell in kmex] == ["kmex", "0.100 [0.100, 0.100]", "0.300", "0.0500"]
    assert [cell.strip() for cell in reference][-1] == "—"
    assert "- *headless*: the map without the head: relevance put on the embedding as it is" in text
    assert r"& by chance & headless \\" in document("quick", aggregate(results))


def test_without_levels_nothing_is_said_of_them(build):
    results = [build.result({"lrp_kl": build.scored("lrp_kl", [0.1], chance=0.2)})]
    assert "headless" not in page("quick", results, aggregate(results), {})


def test_what_is_particular_to_a_score_is_a_footnote_at_its_number(build):
    results = levelled(build, note="that of the decided class stands in")
    text = page("quick", results, aggregate(results), {})
    assert "| 0.100 [0.100, 0.100] (1) |" in text
    assert "\n- (1) that of the decided class stands in\n" in text


def test_a_metric_of_an_older_version_is_marked_above_at_its_column_and_where_it_is_defined(build, monkeypatch):
    results = levelled(build)
    version = results[0].scores["lrp_kl"].measure.version
    monkeypatch.setattr(versions, "current_versions", lambda: {"lrp_kl": version + 1})
    text = page("quick", results, aggregate(results), {})
    both = f"version {version} of LRP-KL; sembench now has version {version + 1}"
    assert f"- **Old**: {both}, see CHANGELOG.md; compute again with sembench run --refresh." in text
    assert "LRP-KL, nats ↓ (1) |" in text
    assert f"- (1) old: {both}" in text
    assert f"(lrp\\_kl, version {version}; sembench has version {version + 1})" in text
    assert r"$\downarrow$\textsuperscript{1}" in document("quick", aggregate(results))


def test_an_overview_marks_older_versions_too(build, monkeypatch):
    results = build.suite(["kmex", "b4"], ["digits", "letters"], [0])
    monkeypatch.setattr(versions, "current_versions", lambda: {"ghosting": 2})
    (ghosting,) = (own for own in overview_tables(aggregate(results)) if own.heading == "Ghosting")
    assert [column.note for column in ghosting.columns] == [0, 0]
    assert ghosting.notes == ("old: version 1 of Ghosting; sembench now has version 2",)
