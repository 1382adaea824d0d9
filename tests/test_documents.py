"""What the documents say is true: their examples run, their links lead somewhere, their table is the board's."""

import re
import tomllib

import pytest
import torch

from places import RESULTS, ROOT
from sembench.figures.picture import Picture
from sembench.plugins.registry import EXPLAINERS, METRICS
from sembench.results.result import read_result
from sembench.running.cache import Cache
from sembench.running.runner import Runner
from sembench.seeding import isolated
from sembench.suites.plan import plan
from sembench.suites.suite import Suite
from sembench.testing import CHECKS, digits_case
from sembench_leaderboard.board.board import board
from sembench_leaderboard.board.embed import fill
from sembench_leaderboard.claims.page import claim_files
from sembench_leaderboard.comparison.page import statistics_files
from sembench_leaderboard.entries.load import load
from sembench_leaderboard.files import stale
from sembench_leaderboard.report.page import report_files

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


class Silent:
    def phase(self, cell, text): ...
    def note(self, text): ...
    def finished(self, cell, result, seconds): ...
    def failed(self, cell, error):
        raise error


def example(name, document="CONTRIBUTING.md", **shortened):
    """Runs a marked example of a document and returns its names; ``shortened`` replaces values of keywords."""
    text = (ROOT / document).read_text("utf-8")
    code = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", text, re.DOTALL).group(1)
    for keyword, value in shortened.items():
        code = re.sub(rf"\b{keyword}=\w+", f"{keyword}={value}", code)
    names = {"__name__": f"example_{name}"}
    exec(compile(code, f"{document}, example {name}", "exec"), names)
    return names


@pytest.fixture(scope="module")
def class_means():
    return example("explainer")["ClassMeans"]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_example_of_an_explainer_keeps_the_contract(class_means, check):
    check(class_means(), digits_case())


def test_the_examples_run_in_a_benchmark(class_means, tiny_suite, tiny_cache, tmp_path, monkeypatch):
    monkeypatch.setitem(EXPLAINERS._objects, "class-means", class_means)
    monkeypatch.setitem(METRICS._objects, "confidence", example("metric")["CONFIDENCE"])
    suite = tiny_suite.model_copy(update={"metrics": (*tiny_suite.metrics, "confidence")})
    (cell,) = plan(suite, explainers=["class-means"])
    summary = Runner(tmp_path, Cache(tiny_cache), tmp_path, "cpu", Silent()).run([cell])
    assert summary.finished == [cell]
    scores = read_result(cell.path(tmp_path)).scores
    assert len(scores["confidence"].values) == 50
    assert sum(scores["accuracy"].values) / 50 > 0.2


@pytest.mark.slow
def test_the_example_of_an_own_model_explains_digits():
    with isolated(0), pytest.warns(UserWarning, match="the black box is right on"):  # as it is not trained
        found = example("own model", "README.md")
    kmex, network = found["kmex"], found["network"].eval()
    pixels = kmex.dataset.test.load(torch.arange(20))
    torch.testing.assert_close(kmex.backbone(found["batch"].images), network(2 * pixels - 1), rtol=1e-3, atol=1e-3)
    assert found["relevance"].shape == (20, 32, 32)
    assert found["explanation"].similarities.shape == (20, 50)
    assert found["accuracy"] > 0.3


SCRIPTS = re.findall(r"<!-- example: (\S+) -->", (ROOT / "EXAMPLES.md").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no mean and std", "ignore:the black box is right on")  # its network is untrained
@pytest.mark.parametrize("name", sorted({*SCRIPTS} - {"load", "results"}))
def test_the_scripts_for_notebooks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = example(name, "EXAMPLES.md", epochs=1)
    pictures = [value for value in names.values() if isinstance(value, Picture)]
    assert len(pictures) == {"first": 1, "own-network": 1, "compare": 3, "maps": 0, "save": 0}[name]
    if name == "maps":
        assert names["class_maps"].shape == names["prototype_maps"].shape == (3, 40, 40)
        assert len(names["headless"]) == 100
    if name == "save":
        assert [path.read_bytes()[:5] for path in names["files"]] == [b"\x89PNG\r", b"<?xml"]


def test_the_example_of_a_network_says_what_is_printed(capsys):
    example("network", "docs/networks.md")
    text = (ROOT / "docs" / "networks.md").read_text("utf-8")
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", text, re.MULTILINE)


@pytest.mark.slow
def test_the_examples_of_production_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = example("production", "docs/production.md", epochs=1)
    assert names["same"]
    assert isinstance(names["picture"], Picture)
    ran = example("program", "docs/production.md")
    assert ran["probabilities"].shape == (2, 10)
    assert len(ran["facts"]["prototype_classes"]) == ran["similarities"].shape[1] == 50


def test_the_script_that_loads_a_model_runs(tiny_suite, tiny_cache, tmp_path, monkeypatch):
    """On a smaller suite, whose models are there or made in a moment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "cache").symlink_to(tiny_cache)
    monkeypatch.setattr("sembench.fitted.load_suite", lambda name: {"quick": tiny_suite}[name])
    monkeypatch.setattr(Suite, "dataset", lambda suite, entry: suite.datasets[0])
    assert isinstance(example("load", "EXAMPLES.md")["picture"], Picture)


def test_the_script_that_reads_results_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    example("results", "EXAMPLES.md")
    assert "kmex " in capsys.readouterr().out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            found = document.parent / path if path else document
            assert found.exists(), f"{document.name} links to {path}"
            assert not anchor or anchor in headings(found.read_text("utf-8")), f"{document.name} links to {target}"


def headings(text):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_paths_that_the_readme_names_exist():
    for path in re.findall(r"`((?:benchmark|baselines|leaderboard|tests)/[\w/.-]+)`", (ROOT / "README.md").read_text()):
        assert (ROOT / path).exists(), path


def test_commands_that_the_documents_name_are_targets():
    makefile = (ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        for target in re.findall(r"`make ([a-z-]+)", document.read_text("utf-8")):
            assert f"\n{target}:" in makefile, target


def test_every_entry_point_has_its_registry():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    kinds = ("explainers", "metrics", "datasets", "backbones", "figures", "commands")
    groups = {f"sembench.{kind}" for kind in kinds}
    assert set(project["entry-points"]) == groups


@pytest.fixture(scope="session")
def results():
    """All committed results, read once."""
    return load([RESULTS])


@pytest.fixture(scope="session")
def committed(results):
    """The texts of the board that the committed results give."""
    made = board(results)
    return {name: content for name, content in made.items() if name.endswith((".md", ".csv", ".tex"))}


def test_the_committed_boards_are_those_of_the_committed_results(committed):
    """Charts are left out: their bytes also depend on the version of matplotlib."""
    assert committed
    for name, content in committed.items():
        assert (ROOT / "leaderboard" / "boards" / name).read_bytes() == content, f"{name}: run sembench leaderboard"


def test_the_committed_claims_are_those_of_the_committed_results(results):
    made = claim_files(results)
    assert stale(made, ROOT / "leaderboard" / "boards") == [], "run sembench claims"


def test_the_committed_reports_are_those_of_the_committed_results(results):
    """Only the demo's has to be there: the page of a large suite may be too large to keep."""
    boards = ROOT / "leaderboard" / "boards"
    made, _ = report_files(results)
    kept = {name: content for name, content in made.items() if name == "quick/report.html" or (boards / name).exists()}
    assert stale(kept, boards) == [], "run sembench report"


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


@pytest.mark.slow
@pytest.mark.parametrize("suite", sorted(path.name for path in RESULTS.iterdir() if path.is_dir()))
def test_the_committed_statistics_are_those_of_the_committed_results(suite, results):
    """Diagrams are left out, as charts are, and so are last digits, which differ from one processor to another."""
    made = statistics_files(result for result in results if result.suite == suite)
    texts = {name: content.decode() for name, content in made.items() if name.endswith((".md", ".csv"))}
    assert texts
    for name, text in texts.items():
        kept = (ROOT / "leaderboard" / "boards" / name).read_text("utf-8")
        assert NUMBER.sub("0", kept) == NUMBER.sub("0", text), f"{name}: run sembench statistics"
        numbers, expected = (list(map(float, NUMBER.findall(one))) for one in (kept, text))
        assert numbers == pytest.approx(expected, rel=1e-9, abs=1e-9), f"{name}: run sembench statistics"


def test_the_tables_of_the_readme_are_those_of_the_board(committed):
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("<!-- board: ") == 2
    assert fill(text, lambda suite: committed[f"{suite}/board.md"].decode()) == text, "run make board"
