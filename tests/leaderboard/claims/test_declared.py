"""Planted true and false claims of every kind; claims that the data cannot decide."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sembench.results.result import write_result
from sembench_leaderboard.claims.claim import Claim, Test
from sembench_leaderboard.claims.declared import CLAIMS
from sembench_leaderboard.claims.page import FIELDS, claim_files, page
from sembench_leaderboard.claims.verdict import examine
from sembench_leaderboard.entries.selection import method

KMEX, FLINT, RIVALS = (method("kmex"),), (method("flint"),), (method("flint"), method("protovae"))


def claim(metric, kind, margin=0.0, first=KMEX, second=(), **fields):
    return Claim("planted", "Planted.", "a test", metric, first, Test(kind, margin), second, **fields)


@pytest.fixture(scope="module")
def plant(build):
    """Cells whose scores scatter around planted means: by metric, then entry; 200 units, two seeds, one data set."""

    def make(metric, means, *, dataset="digits", seeds=(0, 1), noise=0.02, curve=None):
        cells = []
        for name, mean in means.items():
            for seed in seeds:
                rng = np.random.default_rng([seed, *name.encode()])
                values = np.clip(mean + noise * rng.standard_normal(200), 0, 1)
                if metric in ("accuracy", "ghosting"):
                    values = (np.arange(200) < round(200 * mean)).astype(float)
                details = {"curve": curve} if curve else {}
                score = build.scored(metric, values, details=details)
                cells.append(build.result({metric: score}, explainer=name, dataset=dataset, seed=seed))
        return cells

    return make


def only(results, planted):
    (examined,) = examine(results, [planted])
    return examined


DECIDED = [
    # the claim, means that make it true, means that make it false
    (claim("ro_auroc", "above", 0.1, second=FLINT), {"kmex": 0.7, "flint": 0.5}, {"kmex": 0.7, "flint": 0.65}),
    (claim("lrp_kl", "below", second=FLINT), {"kmex": 0.1, "flint": 0.5}, {"kmex": 0.5, "flint": 0.1}),
    (claim("ro_auroc", "within", 0.05, second=FLINT), {"kmex": 0.5, "flint": 0.52}, {"kmex": 0.5, "flint": 0.6}),
    (claim("accuracy", "within", 0.01, second=FLINT), {"kmex": 0.9, "flint": 0.9}, {"kmex": 0.9, "flint": 0.5}),
    (claim("ghosting", "never"), {"kmex": 0.0}, {"kmex": 0.005}),
    (claim("ghosting", "occurs"), {"kmex": 0.005}, {"kmex": 0.0}),
    (claim("alignment_class", "above", 0.8), {"kmex": 0.9}, {"kmex": 0.7}),
    (claim("alignment_out", "within", 0.1), {"kmex": 0.05}, {"kmex": 0.5}),
    (claim("diversity", "below", second=RIVALS), {"kmex": 0.1, "flint": 0.5, "protovae": 0.2},
     {"kmex": 0.1, "flint": 0.5, "protovae": 0.05}),
    (claim("diversity", "above", second=RIVALS, over="mean"), {"kmex": 0.9, "flint": 0.5, "protovae": 0.2},
     {"kmex": 0.3, "flint": 0.5, "protovae": 0.2}),
]  # fmt: skip


@pytest.mark.parametrize(("planted", "true", "false"), DECIDED)
def test_planted_claims_are_found_true_or_false(plant, planted, true, false):
    assert only(plant(planted.metric, true), planted).overall.outcome == "holds"
    assert only(plant(planted.metric, false), planted).overall.outcome == "fails"


def test_a_flat_curve(plant):
    flat = claim("ro_auroc", "below", 0.1, reads="range")
    assert only(plant("ro_auroc", {"kmex": 0.5}, curve=(0.51, 0.5, 0.49)), flat).overall.outcome == "holds"
    assert only(plant("ro_auroc", {"kmex": 0.5}, curve=(0.9, 0.5, 0.1)), flat).overall.outcome == "fails"


def test_a_tie_is_open(plant):
    tie = only(plant("lrp_kl", {"kmex": 0.3, "flint": 0.3}), claim("lrp_kl", "below", second=FLINT))
    assert (tie.overall.outcome, tie.by_dataset["digits"].why) == ("open", "the interval contains the margin")


def test_the_best_is_compared_with_each_and_the_closest_is_shown(plant):
    best = claim("diversity", "below", second=RIVALS)
    verdict = only(plant("diversity", {"kmex": 0.1, "flint": 0.5, "protovae": 0.2}), best).by_dataset["digits"]
    assert verdict.closest.comparison.second == "protovae"
    tied = only(plant("diversity", {"kmex": 0.1, "flint": 0.1, "protovae": 0.9}), best).by_dataset["digits"]
    assert (tied.outcome, tied.why) == ("open", "kmex against flint: the interval contains the margin")


def test_a_missing_rival_leaves_it_open_unless_another_one_wins(plant):
    best = claim("diversity", "below", second=RIVALS)
    verdict = only(plant("diversity", {"kmex": 0.1, "flint": 0.5}), best).by_dataset["digits"]
    assert (verdict.outcome, verdict.why) == ("open", "no result of protovae")
    assert only(plant("diversity", {"kmex": 0.6, "flint": 0.5}), best).overall.outcome == "fails"


def test_explainers_beyond_the_paper_are_named_but_do_not_decide(plant):
    best = claim("lrp_kl", "below", second=FLINT, beyond=True)
    verdict = only(plant("lrp_kl", {"kmex": 0.3, "flint": 0.5, "cnn": 0.0, "b4": 0.4}), best).by_dataset["digits"]
    assert verdict.outcome == "holds"
    assert [other.comparison.second for other in verdict.beyond] == ["cnn"]


def test_one_seed_is_not_enough(plant):
    better = claim("ro_auroc", "above", second=FLINT)
    verdict = only(plant("ro_auroc", {"kmex": 0.9, "flint": 0.1}, seeds=[4]), better).by_dataset["digits"]
    assert verdict.outcome == "open"
    assert verdict.why == "one seed (4) speaks of one trained model, on which it would hold: 2 are needed"


def test_one_seed_is_enough_for_a_case_that_was_seen(plant):
    one = plant("ghosting", {"kmex": 0.01}, seeds=[0])
    assert only(one, claim("ghosting", "never")).overall.outcome == "fails"
    assert only(one, claim("ghosting", "occurs")).overall.outcome == "holds"
    none = plant("ghosting", {"kmex": 0.0}, seeds=[0])
    assert only(none, claim("ghosting", "never")).overall.outcome == "open"


@pytest.fixture(scope="module")
def two(plant):
    """Ghosts on letters, none on digits; one seed on signs."""
    return [
        *plant("ghosting", {"kmex": 0.0}), *plant("ghosting", {"kmex": 0.1}, dataset="letters"),
        *plant("ghosting", {"kmex": 0.0}, dataset="signs", seeds=[0]),
    ]  # fmt: skip


@pytest.mark.parametrize(("over", "verdict"), [("every", "fails"), ("some", "holds")])
def test_verdicts_over_data_sets(two, over, verdict):
    examined = only(two, claim("ghosting", "never", over=over))
    assert {name: verdict.outcome for name, verdict in examined.by_dataset.items()} == {
        "digits": "holds", "letters": "fails", "signs": "open",
    }  # fmt: skip
    assert examined.overall.outcome == verdict
    assert examined.overall.why == "holds on digits; fails on letters; too few results to test it on signs"
    assert examined.overall.datasets == ("digits", "letters")


def test_a_data_set_that_could_not_be_tested_leaves_open_whether_there_is_one(plant):
    cells = [*plant("ghosting", {"kmex": 0.1}), *plant("ghosting", {"kmex": 0.0}, dataset="signs", seeds=[0])]
    examined = only(cells, claim("ghosting", "never", over="some"))
    assert examined.overall.outcome == "open"
    assert examined.overall.why == "fails on digits; too few results to test it on signs"


def test_the_mean_over_data_sets_weighs_them_equally(two):
    mean = only(two, claim("ghosting", "below", 0.06, over="mean"))
    assert mean.overall.closest.comparison.estimate.value == pytest.approx(0.05)
    assert mean.overall.closest.comparison.datasets == ("digits", "letters")
    assert mean.overall.outcome == "open"
    assert mean.overall.why == "mean over digits, letters; the interval contains the margin"


@pytest.mark.parametrize(("metric", "seeds"), [("ro_auroc", 2), ("ro_auroc", 5), ("diversity", 3)])
def test_methods_that_are_equally_good_are_rarely_told_apart(build, metric, seeds):
    """150 pairs without a difference, whose seeds vary more than their images: about 5 % may be told apart."""
    rng, decided = np.random.default_rng(0), 0
    for _ in range(150):
        images = rng.normal(0, 0.1, 60) if metric == "ro_auroc" else 0
        cells = []
        for name in ("kmex", "flint"):
            for seed in range(seeds):
                values = np.clip(0.5 + images + rng.normal(0, 0.03) + rng.normal(0, 0.05, 60), 0, 1)
                cells.append(build.result({metric: build.scored(metric, values)}, explainer=name, seed=seed))
        decided += only(cells, claim(metric, "above", second=FLINT)).overall.outcome == "holds"
        decided += only(cells, claim(metric, "below", second=FLINT)).overall.outcome == "holds"
    assert 1 <= decided <= 15


def test_a_mean_without_enough_seeds_is_open(plant):
    one = plant("ghosting", {"kmex": 0.0}, seeds=[0])
    examined = only(one, claim("ghosting", "below", 0.5, over="mean"))
    assert examined.overall.outcome == "open"
    assert "2 are needed" in examined.overall.why


def test_a_claim_on_data_sets_of_one_name(two):
    assert list(only(two, claim("ghosting", "never", dataset="lett")).by_dataset) == ["letters"]
    nowhere = only(two, claim("ghosting", "never", dataset="cub"))
    assert (nowhere.overall.outcome, nowhere.overall.why) == ("open", "no result of cub")


def test_the_papers_claims_are_well_formed():
    keys = [one.key for one in CLAIMS]
    assert len(set(keys)) == len(keys) >= 20
    for one in CLAIMS:
        assert re.match(r"\[[KC]\]", one.source)
        assert one.statement.endswith(".")
        if one.test.margin:
            assert "[ours]" in one.margin, one.key


def test_every_claim_of_the_papers_can_be_decided(synthetic_suite):
    """Those that need further entries or data sets say which."""
    open_ones = {
        one.claim.key: one.overall.why
        for one in examine(synthetic_suite)
        if not any(verdict.tested for verdict in one.by_dataset.values())
    }
    assert set(open_ones) == {
        "flint-flat", "infinite-asymptote", "distance-best", "kmex-of-protovae", "bisecting",
        "patches",
    }  # fmt: skip
    assert open_ones["bisecting"] == "no result of kmex (flavour = bisecting)"
    assert open_ones["flint-flat"] == "ro_auroc of flint holds no mean curve"


def test_the_report_says_everything(synthetic_suite):
    files = claim_files(synthetic_suite)
    assert list(files) == ["quick/claims.md", "quick/claims.csv", "quick/claims.json"]
    text = files["quick/claims.md"].decode()
    for one in CLAIMS:
        assert f"## {one.statement}" in text
        assert f"`{one.key}`" in text
    assert "not corrected" in text
    rows = list(csv.DictReader(io.StringIO(files["quick/claims.csv"].decode())))
    assert list(rows[0]) == list(FIELDS)
    auroc = next(row for row in rows if row["claim"] == "kmex-auroc" and row["dataset"] == "letters")
    assert (auroc["first"], auroc["second"], auroc["seeds"]) == ("kmex", "blackbox", "0 1")
    assert float(auroc["low"]) <= float(auroc["value"]) <= float(auroc["high"])
    listed = json.loads(files["quick/claims.json"])
    assert [one["claim"] for one in listed] == [one.key for one in CLAIMS]
    assert {one["verdict"] for one in listed} <= {"holds", "fails", "open"}


def test_the_page_shows_points_margins_and_contradictions(plant):
    cells = plant("accuracy", {"kmex": 0.9, "flint": 0.5, "a_b": 0.95})
    planted = replace(claim("accuracy", "above", second=FLINT, beyond=True), margin="none [ours]")
    text = page("quick", examine(cells, [planted]))
    assert "kmex minus flint | +40.0 [" in " ".join(text.split())
    assert "points | 0 1" in " ".join(text.split())
    assert r"beyond the paper, contradicted by a\_b (-5.0" in text
    assert r"margin: none \[ours\]" in text


def test_the_same_results_give_the_same_bytes(synthetic_suite):
    assert claim_files(synthetic_suite) == claim_files(synthetic_suite[::-1])


def test_the_command_writes_and_checks(synthetic_suite, tmp_path):
    for result in synthetic_suite:
        write_result(tmp_path / "results", result)

    def run(*more):
        command = ["claims", "--results", tmp_path / "results", "--out", tmp_path / "out", *more]
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "sembench", *map(str, command)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run("--check").returncode == 1
    done = run()
    assert done.returncode == 0
    assert "torch" not in done.stderr
    assert (tmp_path / "out/quick/claims.md").read_bytes() == claim_files(synthetic_suite)["quick/claims.md"]
    assert run("--check").returncode == 0
    (tmp_path / "out/quick/claims.csv").write_text("old")
    stale = run("--check")
    assert stale.returncode == 1
    assert "stale: quick/claims.csv" in stale.stderr
