from pathlib import Path

import pytest

from sembench.errors import ResultDamaged, ResultsMixed, SembenchError
from sembench.results.result import write_result
from sembench_leaderboard.entries.load import find, load


@pytest.fixture
def folder(tmp_path, build):
    """Two explainers with two seeds each, and one result of another suite."""
    for explainer in ("kmex", "cnn"):
        for seed in (10, 9):
            write_result(
                tmp_path, build.result({"accuracy": build.scored("accuracy", [1, 0])}, explainer=explainer, seed=seed)
            )
    write_result(tmp_path, build.result({"accuracy": build.scored("accuracy", [1])}, suite="full"))
    return tmp_path


def places(results):
    return [(r.suite, r.dataset, r.explainer, r.seed) for r in results]


def test_reads_all_results_in_order(folder):
    assert places(load([folder])) == [
        ("full", "digits", "kmex", 0), ("quick", "digits", "cnn", 9), ("quick", "digits", "cnn", 10),
        ("quick", "digits", "kmex", 9), ("quick", "digits", "kmex", 10),
    ]  # fmt: skip


def test_reads_one_suite(folder):
    assert places(load([folder], suite="full")) == [("full", "digits", "kmex", 0)]


def test_leaves_everything_else_alone(folder):
    cell = folder / "quick" / "digits" / "kmex"
    for name in (
        ".seed-3.json",
        ".seed-9.json.x.part",
        "seed-9.json.part",
        "seed-01.json",
        "seed-x.json",
        "seed-3.error.txt",
    ):
        (cell / name).write_text("not a result")
    for place in (".cache/digits/kmex", "quick/.cache/kmex", "quick/digits/.old", "quick/digits/kmex/deeper"):
        (folder / place).mkdir(parents=True)
        (folder / place / "seed-0.json").write_text("not a result")
    assert len(load([folder])) == 5


def test_several_roots_are_read_together_and_the_same_file_once(folder, tmp_path_factory, build):
    other = tmp_path_factory.mktemp("other")
    write_result(other, build.result({"accuracy": build.scored("accuracy", [1, 1])}, explainer="flint", seed=9))
    assert len(load([folder, other, folder])) == 6
    assert len(find([folder, folder / "quick" / ".."])) == 5


def test_without_results_the_error_says_where_it_looked_and_what_to_run(tmp_path):
    with pytest.raises(SembenchError, match=r"no results at .*<suite>.*seed-<n>\.json.*`sembench run` first"):
        load([tmp_path / "nowhere"])


def test_another_suite_is_named_where_the_wanted_one_is_missing(folder):
    with pytest.raises(SembenchError, match=r"There are results of full, quick\. Run `sembench run --suite nightly`"):
        load([folder], suite="nightly")


def test_no_root_at_all():
    with pytest.raises(SembenchError, match="no results at no folder at all"):
        load([])


def test_a_damaged_file_is_named_with_its_field_and_the_others_are_listed(folder):
    first, second = folder / "quick/digits/cnn/seed-9.json", folder / "quick/digits/kmex/seed-10.json"
    first.write_text(first.read_text().replace('"kind":"explainer"', '"kind":"winner"'))
    second.write_text(second.read_text()[:100])
    with pytest.raises(
        ResultDamaged, match=r"cnn/seed-9\.json: kind: .*1 more cannot be read either: .*kmex/seed-10\.json\."
    ):
        load([folder])


def test_a_single_damaged_file(folder):
    (folder / "quick/digits/cnn/seed-9.json").write_text("{")
    with pytest.raises(ResultDamaged, match=r"cnn/seed-9\.json: the file as a whole: ") as caught:
        load([folder])
    assert "more" not in str(caught.value)


def test_a_link_that_leads_nowhere_is_damaged_not_missing(folder):
    Path(folder / "quick/digits/cnn/seed-11.json").symlink_to(folder / "gone.json")
    with pytest.raises(ResultDamaged, match=r"cnn/seed-11\.json is not there any more"):
        load([folder])


def test_mixed_results_are_refused(folder, tmp_path_factory, build):
    other = tmp_path_factory.mktemp("other")
    write_result(other, build.result({"accuracy": build.scored("accuracy", [1, 1])}, seed=9))
    with pytest.raises(ResultsMixed, match=r"two results of quick/digits/kmex/seed-9"):
        load([folder, other])
