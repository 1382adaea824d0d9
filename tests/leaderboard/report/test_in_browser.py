"""The report as a reader uses it, in a headless Chromium: by mouse, by keyboard, on a desk and on a phone.

Skipped where no Chromium is installed. ``SEMBENCH_SCREENSHOTS`` names a folder that keeps the pictures.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import Browser, find_chromium
from builders import EVIL, evil
from sembench_leaderboard.entries.entry import aggregate
from sembench_leaderboard.entries.profile import AXES, averages, outlines
from sembench_leaderboard.report.page import page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    command = find_chromium()
    if command is None:
        pytest.skip("no Chromium or Chrome is installed (Debian: apt-get install chromium); the report is not opened")
    with Browser(command, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(synthetic_suite, tmp_path_factory):
    """A report of twelve entries on two data sets."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page("quick", synthetic_suite), "utf-8")
    return path


@pytest.fixture
def opened(browser, path):
    """The report, newly opened on a desk; nothing in the console at the end."""
    browser.size(1280, 900)
    browser.open(path)
    yield browser
    assert browser.errors == []
    assert browser.asked == {}


def texts(browser, selector):
    """The texts of the elements that can be seen."""
    return browser.run(
        f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.checkVisibility()).map(e => "
        "e.innerText.trim())"
    )


METHODS = "#score-table tbody th[scope=row] a"
KL = "#score-table thead tr:last-child th:nth-child(6)"


def test_a_column_sorts_best_first_then_worst_first_with_missing_scores_last(opened, synthetic_suite):
    entries = [e for e in aggregate(synthetic_suite) if e.metric == "ghosting"]
    scored = sorted(e.value for e in entries if e.value is not None)
    button = "#score-table thead tr:last-child th:nth-child(9)"
    assert texts(opened, f"{button} button") == ["Ghosting\xa0↓\nlower is better"]
    shown = "[...document.querySelectorAll('#score-table tbody tr')].map(row => row.cells[8].dataset.v)"
    for state, order in [("ascending", scored), ("descending", scored[::-1])]:
        opened.click(f"{button} button")
        assert opened.run(f"document.querySelector('{button}').getAttribute('aria-sort')") == state
        assert opened.run("document.querySelectorAll('[aria-sort=none]').length") == 11
        values = opened.run(shown)
        assert [float(value) for value in values if value] == pytest.approx(order)
        assert values[len(order) :] == [""] * (len(entries) - len(order))
    assert "sorted by Ghosting, worst first" in texts(opened, "#table-state")[0]
    opened.click("#score-table thead tr:last-child th:first-child button")
    assert texts(opened, METHODS) == sorted(texts(opened, METHODS))


def test_rows_are_filtered_by_name_data_set_and_kind(opened):
    assert texts(opened, "#table-state") == ["24 of 24 rows"]
    opened.click("#filter-text")
    opened.type("KMEX")
    assert texts(opened, METHODS) == ["kmex", "kmex(flint)"] * 2
    opened.run("document.getElementById('filter-dataset').focus()")
    opened.press("ArrowDown")
    opened.press("ArrowDown")
    assert opened.run("document.getElementById('filter-dataset').value") == "letters"
    assert texts(opened, METHODS) == ["kmex", "kmex(flint)"]
    opened.click("#filters input[value=conversion]")
    assert texts(opened, METHODS) == ["kmex"]
    assert texts(opened, "#table-state") == ["1 of 24 rows"]


def test_columns_intervals_and_chance_levels_are_switched_off_and_on(opened):
    assert len(texts(opened, "#score-table thead [aria-sort]")) == 12
    opened.click("#filters input[value=Predictions]")
    assert len(texts(opened, "#score-table thead [aria-sort]")) == 9
    assert len(texts(opened, "#score-table tbody tr:first-child td")) == 8
    assert texts(opened, ".chance")
    opened.click("#filters input[value=chances]")
    opened.click("#filters input[value=intervals]")
    assert texts(opened, ".chance") + texts(opened, ".interval") == []
    opened.click("#filters input[value=chances]")
    assert texts(opened, ".chance")


def drawn(browser):
    return sorted(set(browser.run("[...document.querySelectorAll('#radar .mark')].map(mark => mark.dataset.method)")))


def box(name, group="methods"):
    return (
        f"[...document.querySelectorAll('#chart-{group} label')].find(label => label.innerText.trim() === "
        f"{json.dumps(name)}).querySelector('input')"
    )


def toggle(browser, name, group="methods"):
    browser.run(f"({box(name, group)}).id = 'wanted'")
    browser.click("#wanted")
    browser.run("document.getElementById('wanted').removeAttribute('id')")


def numbers(browser):
    """The positions that the radar draws, by method."""
    browser.run("document.querySelector('#radar-numbers').closest('details').open = true")
    rows = browser.run(
        "[...document.querySelectorAll('#radar-numbers tbody tr')].map(row => [...row.cells].map(c => c.innerText))"
    )
    return {row[0]: row[1:] for row in rows}


def expected(group):
    return {
        outline.explainer: ["—" if (value := outline.profile[axis.name]) is None else f"{value:.2f}" for axis in AXES]
        for outline in group
    }


def test_methods_and_data_sets_are_switched_on_the_radar(opened, synthetic_suite):
    by_dataset = outlines(aggregate(synthetic_suite))
    assert "kmex" in drawn(opened)
    assert "chance" not in drawn(opened)
    toggle(opened, "kmex")
    toggle(opened, "chance")
    assert "kmex" not in drawn(opened)
    assert "chance" in drawn(opened)
    wanted = expected(averages(by_dataset))
    assert numbers(opened) == {name: wanted[name] for name in numbers(opened)}
    toggle(opened, "digits", "datasets")
    wanted = expected(by_dataset["letters"])
    assert numbers(opened) == {name: wanted[name] for name in numbers(opened)}
    assert texts(opened, "#radar-state") == ["Radar chart of 8 methods, letters."]
    opened.click("[data-choose=none]")
    assert drawn(opened) == []
    opened.click("[data-choose=all]")
    assert len(drawn(opened)) == 12
    pens = opened.run(
        "[...document.querySelectorAll('#chart-methods .swatch')].map(swatch => swatch.getAttribute('class') + "
        "[...swatch.children].map(path => path.getAttribute('d') + path.getAttribute('stroke-dasharray')).join())"
    )
    assert len(set(pens)) == 12


def test_an_average_is_cut_after_averaging(browser, build, tmp_path):
    gaps = {"one": -8.5, "two": -5.9, "three": 4.0}  # positions -0.7, -0.18 and 1.8: 0.31 on average
    cells = [
        build.result({"accuracy_gap": build.scored("accuracy_gap", [gap])}, dataset=name) for name, gap in gaps.items()
    ]
    (tmp_path / "report.html").write_text(page("quick", cells), "utf-8")
    browser.size(1280, 900)
    browser.open(tmp_path / "report.html")
    assert numbers(browser)["kmex"][1] == "0.31"
    assert expected(averages(outlines(aggregate(cells))))["kmex"][1] == "0.31"

    def distance():
        """Of the marker from the centre, as a part of the radius."""
        return browser.run(
            "(() => { const box = document.querySelector('#radar .mark path:last-child').getBBox();"
            "const circle = document.querySelector('#radar circle.rim'), [x, y, r] = ['cx', 'cy', 'r'].map(name =>"
            " Number(circle.getAttribute(name)));"
            "return Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y) / r; })()"
        )

    assert distance() == pytest.approx(0.313, abs=0.02)
    toggle(browser, "three", "datasets")
    assert numbers(browser)["kmex"][1] == "-0.44"
    assert distance() == pytest.approx(0, abs=0.02)
    assert browser.errors == []


def test_a_method_that_is_missing_on_a_data_set_is_named_instead_of_averaged(browser, synthetic_suite, tmp_path):
    some = [r for r in synthetic_suite if (r.explainer, r.dataset) != ("kmex", "letters")]
    (tmp_path / "report.html").write_text(page("quick", some), "utf-8")
    browser.open(tmp_path / "report.html")
    assert "kmex" not in drawn(browser)
    said = "Not drawn, since they did not run on every data set switched on: kmex."
    assert said in texts(browser, "#radar-state")[0]


def test_the_pareto_front_is_that_of_a_naive_search(opened, synthetic_suite):
    entries = {(e.explainer, e.metric): e for e in aggregate(synthetic_suite) if e.dataset == "digits"}
    names = ["b234", "b4", "cnn", "flint", "kmex", "protopnet", "protovae"]
    captions = texts(opened, "#pareto figcaption")
    assert len(captions) == 7
    for place, (metric, sign) in enumerate([("lrp_kl", -1), ("ro_auroc", 1), ("ro_auroc_gain", 1), ("ghosting", -1)]):
        points = {
            name: (entries[name, "accuracy_gap"].value, sign * value)
            for name in names
            if (value := entries[name, metric].value) is not None
        }
        front = {
            name
            for name, (gap, good) in points.items()
            if not any(g >= gap and q >= good and (g, q) != (gap, good) for g, q in points.values())
        }
        assert set(captions[place].removeprefix("On the front: ").rstrip(".").split(", ")) == front, metric


def test_axes_have_three_ticks_at_least_at_round_numbers_inside(opened):
    rng = np.random.default_rng(0)
    lows = (rng.uniform(-1, 1, 300) * 10 ** rng.uniform(-4, 2, 300)).tolist()
    ranges = [[low, low + width] for low, width in zip(lows, (10 ** rng.uniform(-4, 2, 300)).tolist(), strict=True)]
    ranges += [[-0.34, 0.03], [-1.36, 0.1], [0.22, 0.68], [0, 0.5], [0, 1]]
    for (low, high), found in zip(ranges, opened.run(f"{ranges}.map(([low, high]) => ticks(low, high))"), strict=True):
        assert 3 <= len(found) <= 7, (low, high, found)
        assert low - 1e-6 * (high - low) <= found[0] < found[-1] <= high + 1e-6 * (high - low)
        (step,) = {float(f"{step:.4g}") for step in np.diff(found)}
        digits = f"{step:.3e}".split("e")[0]
        assert digits in ("1.000", "2.000", "2.500", "5.000")
        assert all(abs(tick / step - round(tick / step)) < 1e-3 for tick in found)


def test_axes_end_where_the_measure_ends(browser, build, tmp_path):
    cells = [
        build.result(
            {"accuracy_gap": build.scored("accuracy_gap", [gap]), "ghosting": build.scored("ghosting", [0, 0])},
            explainer=name,
        )
        for name, gap in [("a", 0.0), ("b", -0.6)]
    ]
    (tmp_path / "report.html").write_text(page("quick", cells), "utf-8")
    browser.size(1280, 900)
    browser.open(tmp_path / "report.html")
    up, across = (
        browser.run(
            f"[...document.querySelectorAll('#pareto text.quiet[text-anchor={side}]')].map(text => "
            "[Number(text.textContent), text.getBoundingClientRect().left])"
        )
        for side in ("end", "middle")
    )
    assert len(up) >= 3
    assert [number for number, _ in across] == [0, 0.25, 0.5]
    title = browser.run("document.querySelector('#pareto text[transform]').getBoundingClientRect().right")
    assert min(left for _, left in up) > title - 3  # its lower edge has room for letters like g
    ends = "range([0.98, 1], {lower: 0, upper: 1}).concat(range([3, 3], {lower: null, upper: null}))"
    assert browser.run(ends) == pytest.approx([0.9784, 1, 1.5, 4.5])
    assert browser.errors == []


def test_an_entry_opens_from_the_table_and_by_its_address(opened, path):
    opened.click("#score-table tbody tr:nth-child(6) th a")
    assert opened.run("location.hash") == "#entry/digits/kmex"
    entry = "document.getElementById('entry/digits/kmex')"
    assert opened.run(f"{entry}.open")
    assert opened.run(f"document.activeElement === {entry}.querySelector('summary')")
    top = opened.run(f"{entry}.getBoundingClientRect().top")
    assert -5 <= top < 900
    opened.visit("about:blank")
    opened.visit(f"{path.as_uri()}#entry/letters/kmex=28flint=29")
    assert opened.run("[...document.querySelectorAll('details.entry[open]')].map(e => e.id)") == [
        "entry/letters/kmex=28flint=29"
    ]


def test_a_definition_shows_where_the_reader_is_and_returns_there(opened):
    opened.click(f"{KL} .what")
    assert opened.run("document.getElementById('definition').open")
    assert texts(opened, "#definition h3") == ["LRP-KL"]
    assert "How LRP-KL is defined." in texts(opened, "#definition")[0]
    opened.press("Escape")
    assert not opened.run("document.getElementById('definition').open")
    assert opened.run(f"document.activeElement === document.querySelector('{KL} .what')")
    opened.run("document.getElementById('entry/digits/kmex').open = true")
    opened.click("details[open].entry a[href='#metric/lrp_kl']")
    assert opened.run("document.activeElement.id") == "metric/lrp_kl"


def test_everything_is_reached_by_keyboard_in_the_order_of_the_page(opened):
    opened.run("window.places = [...document.querySelectorAll('*')]")
    stops, seen = [], []
    for _ in range(60):
        opened.press("Tab")
        place, kind, outline = opened.run(
            "[places.indexOf(document.activeElement), document.activeElement.tagName + ' ' + "
            "(document.activeElement.className || document.activeElement.id || ''), "
            "getComputedStyle(document.activeElement).outlineStyle]"
        )
        stops.append(place)
        seen.append(kind)
        assert outline != "none", kind
    assert seen[0] == "A skip"
    assert stops == sorted(set(stops))
    assert {"INPUT filter-text", "SELECT filter-dataset", "DIV scroll", "BUTTON sort", "A what"} <= set(seen)
    opened.run(f"document.querySelector('{KL} button').focus()")
    opened.press("Enter")
    assert opened.run(f"document.querySelector('{KL}').getAttribute('aria-sort')") == "ascending"
    opened.press("Tab")
    opened.press("Enter")
    assert texts(opened, "#definition h3") == ["LRP-KL"]
    opened.press("Escape")
    before = drawn(opened)
    opened.run(f"({box('kmex')}).focus()")
    opened.press(" ")
    assert set(before) - set(drawn(opened)) == {"kmex"}
    opened.run("document.querySelector('.claims summary').focus()")
    opened.press("Enter")
    assert opened.run("document.querySelector('.claims details').open")


@pytest.fixture(scope="module")
def long_path(build, tmp_path_factory):
    """A report of 210 entries: thirty methods on seven data sets."""
    names = ["blackbox", "kmex", "flint", *[f"method-{number:02d}" for number in range(27)]]
    results = build.suite(names, [f"set-{number}" for number in range(7)], [0], test=40, explained=10)
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(page("quick", results), "utf-8")
    return path


@pytest.fixture
def long(browser, long_path):
    """It, newly opened."""
    browser.size(1280, 900)
    browser.open(long_path)
    yield browser
    assert browser.errors == []


ROWS = "[...document.querySelectorAll('#score-table tbody tr')].filter(row => row.checkVisibility())"


def test_of_a_long_table_the_best_rows_are_shown_and_all_on_demand(long):
    assert long.run(f"{ROWS}.length") == 200
    assert texts(long, "#table-state") == ["210 of 210 rows; the first 200 are shown"]
    long.click(f"{KL} button")
    shown = long.run(f"{ROWS}.map(row => Number(row.cells[5].dataset.v))")
    assert len(shown) == 200
    long.click("#all-rows")
    everything = long.run(f"{ROWS}.map(row => Number(row.cells[5].dataset.v))")
    assert everything == sorted(everything)
    assert len(everything) == 210
    assert everything[:200] == shown
    assert texts(long, "#all-rows") == []
    assert texts(long, "#table-state") == ["210 of 210 rows, sorted by LRP-KL, best first"]


def test_filters_find_rows_that_were_not_shown(long):
    long.click("#filter-text")
    long.type("method-26")
    assert texts(long, "#table-state") == ["7 of 210 rows"]
    assert texts(long, METHODS) == ["method-26"] * 7
    long.click("#filters input[value=Explanations]")
    assert len(texts(long, "#score-table tbody tr:last-child td")) == 8


def test_what_is_closed_becomes_part_of_the_page_when_it_is_opened(long, long_path):
    kept = "document.querySelectorAll('details > noscript').length"
    assert long.run("document.querySelectorAll('details').length") > 230
    long.visit("about:blank")
    long.visit(f"{long_path.as_uri()}#entry/set-6/method-26")
    long.settle()  # what is out of sight has no text until it has been scrolled to and drawn
    entry = "details[id='entry/set-6/method-26']"
    assert "prototypes_per_class" in texts(long, entry)[0]
    assert long.run(f'document.querySelectorAll("{entry} noscript").length') == 0
    long.click("details.costs:last-of-type summary")
    assert "Own" in texts(long, "details.costs[open]")[0]
    long.click(".claims details summary")
    assert "Verdict" in texts(long, ".claims details[open]")[0]
    while long.run(kept):  # filled when idle, each time at least one
        long.settle()
    closed = "[...document.querySelectorAll('details.entry:not([open])')].map(entry => entry.textContent)"
    assert [text for text in long.run(closed) if "prototypes_per_class" not in text] == []


def test_everything_but_closed_entries_is_on_paper(long):
    seen = (
        f"({{rows: {ROWS}.length, claims: document.querySelectorAll('.claims > details[open] table').length,"
        "costs: document.querySelectorAll('.costs[open] table').length,"
        "entries: document.querySelectorAll('details.entry[open]').length})"
    )
    long.run(f"window.addEventListener('beforeprint', () => {{ window.paper = {seen}; }})")
    claims = long.run("document.querySelectorAll('.claims > details').length")
    long.send("Page.printToPDF", preferCSSPageSize=True)
    assert long.run("window.paper") == {"rows": 210, "claims": claims, "costs": 7, "entries": 0}
    assert long.run(seen) == {"rows": 200, "claims": 0, "costs": 0, "entries": 0}


def test_without_scripts_everything_can_be_read(browser, long_path):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(long_path)
    whole = browser.send("DOM.getDocument", depth=-1)["root"]["nodeId"]
    counts = [
        len(browser.send("DOM.querySelectorAll", nodeId=whole, selector=selector)["nodeIds"])
        for selector in (".scores tbody tr", ".costs tbody tr", "details.entry table.hashes")
    ]
    browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert counts == [210, 210, 210]


def test_a_control_does_not_stretch_the_charts_but_is_named_below(opened):
    def height():
        return opened.run("document.querySelector('#pareto .mark[data-method=kmex] .bar').getBBox().height")

    before = height()
    assert before > 0
    toggle(opened, "chance")
    assert height() == before
    assert "Beyond the chart: chance (0.6" in texts(opened, "#pareto figcaption")[0]
    assert opened.run("document.querySelectorAll('#pareto figure:first-child .mark[data-method=chance]').length") == 0


def test_markup_and_script_in_names_show_as_text(browser, build, tmp_path):
    (tmp_path / "report.html").write_text(page("quick", evil()), "utf-8")
    browser.size(1280, 900)
    browser.open(tmp_path / "report.html")
    shown = EVIL.strip()
    assert texts(browser, METHODS) == [f"kmex{shown}"]
    assert any(shown in text for text in texts(browser, "#chart-methods label"))
    browser.click("#score-table tbody th a")
    assert shown in texts(browser, "details.entry[open]")[0]
    browser.click("a.what")
    assert shown in texts(browser, "#definition")[0]
    assert browser.run("typeof window.hacked") == "undefined"
    assert browser.run("document.images.length") == 0
    assert browser.errors == []


def test_a_script_that_slipped_through_would_not_run(browser, path, tmp_path):
    broken = path.read_text("utf-8").replace(
        "<h1>", "<h1><script>window.hacked = 1</script><img src='http://a.test/x'>"
    )
    (tmp_path / "report.html").write_text(broken, "utf-8")
    browser.open(tmp_path / "report.html")
    assert browser.run("typeof window.hacked") == "undefined"
    assert any("Content Security Policy" in error for error in browser.errors)
    assert browser.asked == {}


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desk", "phone"])
def test_a_row_keeps_its_method_and_data_set_when_the_table_is_scrolled(browser, path, width, height):
    browser.size(width, height, phone=width < 400)
    browser.open(path)
    shown = browser.run(
        "(() => { const scroller = document.querySelector('.scroll:has(> #score-table)');"
        "scroller.scrollIntoView(); scroller.scrollLeft = 9999; const {left, right} = scroller.getBoundingClientRect();"
        "const row = document.querySelector('#score-table tbody tr:nth-child(6)');"
        "return [scroller.scrollLeft, ...[row.cells[0], row.cells[1], row.querySelector('.on')].map(part => {"
        "const box = part.getBoundingClientRect();"
        "return box.width > 0 && box.left >= left - 1 && box.right <= right ? [part.innerText, box.left, box.right, "
        "parseFloat(getComputedStyle(part).fontSize)] : null; })]; })()"
    )
    assert shown[0] > 50
    assert shown[1][0].startswith("kmex")
    place = shown[3] if width < 400 else shown[2]
    assert "digits" in place[0]
    assert place[3] >= 10.4  # pixels
    assert shown[2 if width < 400 else 3] is None
    if width > 400:
        assert abs(shown[1][2] - place[1]) < 1  # side by side
    else:
        assert shown[1][2] < 0.5 * width  # room for scores
    assert browser.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("name", "width", "height"), [("desk", 1280, 900), ("phone", 390, 844)])
def test_pictures_on_a_desk_and_on_a_phone(browser, path, tmp_path, name, width, height, dark):
    browser.size(width, height, dark=dark, phone=name == "phone")
    browser.open(path)
    assert browser.run("document.documentElement.scrollWidth") <= width
    folder = Path(os.environ.get("SEMBENCH_SCREENSHOTS", tmp_path))
    for section in ("scores", "charts", "pareto", "claims", "entries"):
        browser.run(f"document.getElementById('{section}').scrollIntoView()")
        picture = folder / f"{name}-{'dark' if dark else 'light'}-{section}.png"
        browser.picture(picture)
        pixels = np.asarray(Image.open(picture).convert("L"), dtype=float)
        assert pixels.shape == (height, width)
        assert pixels.std() > 10
        assert (np.median(pixels) < 60) == dark
    assert browser.errors == []


def contrast(one, other):
    """The ratio of WCAG 2, from colours as ``rgb(r, g, b)``."""

    def light(colour):
        parts = np.array([float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    lights = sorted([light(one), light(other)])
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_their_ground(browser, path, dark):
    browser.size(1280, 900, dark=dark)
    browser.open(path)
    colour = "getComputedStyle(document.querySelector('{}')).{}"
    ground = browser.run(colour.format("body", "backgroundColor"))
    for selector in ("body", "a[href]", "small", ".holds", ".fails", ".open", "dt"):
        assert contrast(browser.run(colour.format(selector, "color")), ground) >= 4.5, selector
    strokes = browser.run("[...document.querySelectorAll('.swatch path')].map(p => getComputedStyle(p).stroke)")
    assert len(set(strokes)) == 8
    assert all(contrast(stroke, ground) >= 3 for stroke in strokes)
