"""The report as a document: it parses, links lead somewhere, everything is escaped, bytes repeat."""

import csv
import io
import json
import re
import subprocess
import sys
from itertools import pairwise
from urllib.parse import unquote

import pytest

from builders import EVIL, evil
from markup import Markup
from sembench.errors import ResultsMixed
from sembench_leaderboard.board.csv import to_csv
from sembench_leaderboard.entries import versions
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.report.page import page, report_files


@pytest.fixture(scope="module")
def report(synthetic_suite):
    return page("quick", synthetic_suite)


@pytest.fixture(scope="module")
def markup(report):
    return Markup(report)


def test_it_parses_and_its_ids_are_unique(markup):
    ids = [element.attributes["id"] for element in markup.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids)) > 50
    assert markup.elements[0].attributes["lang"] == "en"


def test_links_within_the_page_lead_somewhere_and_no_others_leave_it(report, markup):
    ids = {element.attributes.get("id") for element in markup.elements}
    links = [element.attributes["href"] for element in markup.find("a")]
    assert len(links) > 100
    for link in links:
        assert link[1:] in ids if link.startswith("#") else link.startswith("data:text/csv")
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", re.sub(r"createElementNS|http://www.w3.org/2000/svg", "", report)
    )


def test_every_line_leads_to_its_entry_and_every_column_to_its_definition(markup, synthetic_suite):
    entries = {(result.explainer, result.dataset) for result in synthetic_suite}
    titles = {e.attributes["id"]: e.text for e in markup.find("details", class_="entry")}
    assert len(titles) == len(entries)
    lines = [e for e in markup.find("a") if (e.attributes["href"] or "").startswith("#entry/")]
    assert {titles[e.attributes["href"][1:]].startswith(e.text) for e in lines} == {True}
    definitions = {e.attributes["id"]: e.text for e in markup.find("article")}
    heads = markup.find("a", class_="what")
    assert len(heads) == 10
    for head in heads:
        name = head.attributes["aria-label"].removeprefix("Definition of ")
        assert definitions[head.attributes["href"][1:]].startswith(name)


def test_a_reader_of_the_screen_finds_headings_labels_and_table_heads(markup):
    levels = [int(e.tag[1]) for e in markup.find("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= level + 1 for level, later in pairwise(levels))
    assert all(e.inside("label") for e in markup.find("input", "select"))
    assert all(e.attributes.get("scope") in ("col", "row", "colgroup") for e in markup.find("th"))
    sortable = [e for e in markup.find("th") if "aria-sort" in e.attributes]
    assert len(sortable) == 12
    ids = {e.attributes.get("id"): e for e in markup.elements}
    for element in markup.elements:
        if element.attributes.get("role") == "region":
            assert element.attributes.get("tabindex") == "0"
            assert element.attributes.get("aria-label") or ids[element.attributes["aria-labelledby"]].text
    assert all(e.attributes.get("alt") for e in markup.find("img"))
    assert all(ids[e.attributes["aria-labelledby"]].tag == "h2" for e in markup.find("section"))


def test_the_table_shows_scores_intervals_chance_levels_and_reasons(markup, synthetic_suite):
    table = markup.find("table", class_="scores")[0]
    entry = next(e for e in aggregate(synthetic_suite) if (e.explainer, e.metric) == ("kmex", "lrp_kl"))
    cells = [e for e in markup.find("td") if e.attributes.get("data-v") == f"{entry.value:.9g}"]
    assert any(re.fullmatch(r"\S+\[\S+, \S+\]chance \S+", cell.text) for cell in cells), [c.text for c in cells]
    assert "n/a1" in table.text
    assert "it has no prototypes" in markup.find("ol", class_="notes")[0].text


def test_everything_from_a_result_is_text(build):
    report = page(EVIL, evil())
    markup = Markup(report)
    assert len(markup.find("script")) == 2
    assert not markup.find("img")
    assert not [e for e in markup.elements if any(name.startswith("on") for name in e.attributes)]
    shown = " ".join(EVIL.split())
    assert all(shown in e.text for e in markup.find("h1", "title"))
    assert sum(e.text.count(shown) for e in markup.find("body")) > 50
    for part in ("metric", "title", "variant", "reason", "source", "name"):
        assert f"{shown}{part}" in markup.find("body")[0].text, part
    data = json.loads(markup.find("script", type="application/json")[0].parts[0])
    assert data["methods"][0]["name"] == f"kmex{EVIL}"
    assert "49" not in markup.find("h1")[0].text


def test_control_characters_turn_nothing_around(build):
    report = page("quick", evil("a\u202eb\x00c"))
    assert "\u202e" not in report
    assert "\x00" not in report
    assert "a b c" in report


def test_only_the_page_s_own_script_and_style_may_run(markup):
    import base64
    import hashlib

    policy = next(e for e in markup.find("meta") if "http-equiv" in e.attributes).attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        own = next("".join(e.parts) for e in markup.find(tag) if "type" not in e.attributes)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [e for e in markup.elements if "style" in e.attributes]


def test_the_raw_rows_are_the_board_s(markup, synthetic_suite):
    link = markup.find("a", id="download")[0].attributes["href"]
    read = list(csv.DictReader(io.StringIO(unquote(link.partition(",")[2]), newline="")))
    expected = list(csv.DictReader(io.StringIO(to_csv(aggregate(synthetic_suite)), newline="")))
    assert len(read) == len(expected) > 200
    for own, row in zip(read, expected, strict=True):
        assert own == {name: row[name] for name in own}


def test_claims_costs_licences_hyperparameters_and_provenance_are_there(markup):
    text = {e.attributes["id"]: e.text for e in markup.find("section")}
    assert "Ghosting affects all models but never KMEx." in text["claims"]
    assert "holds: " in text["claims"]
    assert "Own parameters" in text["costs"]
    assert "BSD-3-Clause" in text["data"]
    assert "resnet10-narrow" in text["data"]
    kmex = markup.find("details", id="entry/digits/kmex")[0].text
    assert "prototypes_per_class5" in kmex
    assert "digits0".ljust(64, "0") in kmex
    assert "LRP-KL, reverse" in kmex
    assert "made of flint" in markup.find("details", id="entry/digits/kmex=28flint=29")[0].text


def test_no_score_of_a_single_image_is_in_the_page(build):
    scored = build.scored("accuracy", [0.123456789, *[0.5] * 50, 0.987654321])
    report = page("quick", [build.result({"accuracy": scored})])
    assert "0.502136752" in report  # their mean is
    assert not re.search(r"0\.1234|0\.9876", report)


def test_a_suite_without_accuracy_gaps_and_axes_still_makes_a_page(build):
    markup = Markup(page("quick", [build.result({"accuracy": build.scored("accuracy", [1, 0])}, seed=7)]))
    assert "1 seed" in markup.find("table", class_="scores")[0].text


def test_the_order_of_results_changes_no_byte(synthetic_suite, report):
    assert page("quick", synthetic_suite[::-1]) == report


def test_another_process_makes_the_same_bytes(synthetic_suite, report, tmp_path):
    from sembench.results.result import write_result

    for result in synthetic_suite:
        write_result(tmp_path / "runs", result)
    command = [sys.executable, "-m", "sembench", "report", "--results", tmp_path / "runs", "--out", tmp_path / "out"]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    assert made.stdout.split() == [str(tmp_path / "out/quick/report.html")]
    assert (tmp_path / "out/quick/report.html").read_text("utf-8") == report
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    (tmp_path / "out/quick/report.html").write_text("older")
    checked = subprocess.run([*command, "--check"], check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (1, "stale: quick/report.html\n")


def test_every_suite_has_its_own_page(build):
    results = [build.result({"accuracy": build.scored("accuracy", [1, 0])}, suite=suite) for suite in ("b", "a")]
    files, left_out = report_files(results)
    assert list(files) == ["a/report.html", "b/report.html"]
    assert left_out == {}


def test_results_that_do_not_belong_together_are_refused(build):
    scored = build.result({"accuracy": build.scored("accuracy", [1, 0])}, seed=0)
    with pytest.raises(ResultsMixed, match="accuracy of kmex on digits"):
        page("quick", [scored, build.result({"accuracy": build.not_applicable("accuracy", "no")}, seed=1)])


def test_levels_notes_and_older_versions_stand_on_the_page(build, monkeypatch):
    kl = build.scored("lrp_kl", [0.1, 0.1], chance=0.3, levels={"headless": (0.04, 0.06)}, note="its only map")
    version = kl.measure.version
    monkeypatch.setattr(versions, "current_versions", lambda: {"lrp_kl": version + 1})
    text = page("quick", [build.result({"lrp_kl": kl, "ghosting": build.not_applicable("ghosting", "no prototypes")})])
    plain = " ".join(re.sub("<[^>]+>", " ", text).split())
    assert '<small class="chance">headless 0.0500</small>' in text
    assert "headless : the map without the head" in plain
    assert f"Old : version {version} of LRP-KL; sembench now has version {version + 1}, see CHANGELOG.md" in plain
    assert f"version {version}, old" in plain
    assert f"lrp_kl, {version}; sembench has version {version + 1}" in plain
    assert "0.300; headless 0.0500" in plain
    assert "LRP-KL: its only map." in plain
    assert "not applicable: no prototypes" in plain


def test_a_page_of_current_results_without_levels_says_nothing_of_them(report):
    assert "headless" not in report
    assert "<strong>Old</strong>" not in report
