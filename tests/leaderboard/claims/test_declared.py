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
from sembench_leaderboard.claims.declared import CLAIMS, SECTIONS
from sembench_leaderboard.claims.page import FIELDS, claim_files, page
from sembench_leaderboard.claims.verdict import examine
from sembench_leaderboard.entries.selection import method

KMEX, FLINT, RIVALS = (method("kmex"),), (method("flint"),), (method("flint"), method("protovae"))


def claim(metric, kind, margin=0.0, first=KMEX, second=(), **fields):
    return Claim("planted", "Planted.", "a test", (metric,), first, Test(kind, margin), second, **fields)


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
    assert only(plant(planted.metrics[0], true), planted).overall.outcome == "holds"
    assert only(plant(planted.metrics[0], false), planted).overall.outcome == "fails"


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


def test_of_many_comparisons_that_leave_it_open_the_first_are_named(plant):
    rivals = tuple(method(f"m{number}") for number in range(5))
    alike = plant("diversity", {"kmex": 0.1} | {f"m{number}": 0.1 for number in range(5)})
    why = only(alike, claim("diversity", "below", second=rivals)).by_dataset["digits"].why
    assert why.count("kmex against") == 3
    assert why.endswith(", 2 more: the interval contains the margin")


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


@pytest.fixture(scope="module")
def ghosts(plant):
    """Ghosts on some data sets, by their share of prototypes."""

    def make(**shares):
        return [
            run for name, share in shares.items() for run in plant("ghosting", {"kmex": share}, dataset=name, noise=0)
        ]

    return make


@pytest.mark.parametrize(
    ("over", "shares", "verdict"),
    [
        (2, {"a": 0, "b": 0, "c": 0.1}, "holds"),
        (2, {"a": 0, "b": 0.1, "c": 0.1}, "open"),  # the other four of the paper's seven are not here
        (2, dict.fromkeys("abcdef", 0.1), "fails"),
        (2, {"a": 0, "b": 0} | dict.fromkeys("cdefg", 0.1), "holds"),
        (2, {"a": 0} | dict.fromkeys("bcdefg", 0.1), "fails"),
        ("all but one", {"a": 0, "b": 0, "c": 0.1}, "holds"),
        ("all but one", {"a": 0, "b": 0, "c": 0}, "holds"),
        ("all but one", {"a": 0, "b": 0.1, "c": 0.1}, "fails"),
        ("all but one", {"a": 0.1}, "open"),  # it may be the one
        ("some", {"a": 0, "b": 0.1}, "holds"),
        ("some", {"a": 0.1, "b": 0.1}, "fails"),
    ],
)
def test_some_data_sets_are_enough(ghosts, over, shares, verdict):
    assert only(ghosts(**shares), claim("ghosting", "never", over=over)).overall.outcome == verdict


def test_a_suite_with_fewer_data_sets_than_the_paper_is_said_to_be_one(ghosts):
    examined = only(ghosts(a=0, b=0.1), claim("ghosting", "never", over=2))
    assert examined.overall.why == "holds on a; fails on b; the paper has 7 data sets, this suite 2"


def test_a_claim_may_leave_out_a_data_set(ghosts):
    planted = claim("ghosting", "never", without="stl10")
    assert only(ghosts(stl10=0.1, mnist=0), planted).overall.outcome == "holds"
    assert only(ghosts(stl10=0.1), planted).overall.why == "no result of data sets other than stl10"


def test_a_claim_of_several_metrics_needs_all_of_them(build):
    def run(seed, own):
        scores = {metric: build.scored(metric, [value] * 4) for metric, value in own.items()}
        return build.result(scores, seed=seed)

    planted = replace(claim("alignment_class", "above", 0.8), metrics=("alignment_class", "alignment_out"))
    verdict = only([run(seed, {"alignment_class": 0.9, "alignment_out": 0.5}) for seed in (0, 1)], planted)
    assert verdict.overall.outcome == "fails"
    assert verdict.by_dataset["digits"].quantity == "alignment_out: kmex"
    assert "each of alignment\\_class, alignment\\_out of kmex is above 0.8" in page("quick", [verdict])


def test_a_claim_on_an_older_definition_says_so(plant, build):
    planted = claim("ro_auroc", "above", second=FLINT)
    now = plant("ro_auroc", {"kmex": 0.9, "flint": 0.1})
    assert only(now, planted).overall.explained == "holds on digits"
    version = build.measure("ro_auroc").version
    old = [
        run.model_copy(
            update={"scores": {"ro_auroc": run.scores["ro_auroc"].model_copy(
                update={"measure": build.measure("ro_auroc", version=version - 1)}
            )}}
        )
        for run in now
    ]  # fmt: skip
    verdict = only(old, planted)
    note = f"by another definition: version {version - 1} of RO-AUROC (now {version})"
    assert verdict.overall.explained == f"holds on digits; {note}"
    assert verdict.by_dataset["digits"].explained == note
    assert "| **holds** †" in page("quick", [verdict])
    files = claim_files(old)
    assert note in files["quick/claims.json"].decode()
    assert note in files["quick/claims.csv"].decode()


def test_a_mean_without_enough_seeds_is_open(plant):
    one = plant("ghosting", {"kmex": 0.0}, seeds=[0])
    examined = only(one, claim("ghosting", "below", 0.5, over="mean"))
    assert examined.overall.outcome == "open"
    assert "2 are needed" in examined.overall.why


def test_a_claim_on_data_sets_of_one_name(two):
    assert list(only(two, claim("ghosting", "never", datasets=("lett",))).by_dataset) == ["letters"]
    nowhere = only(two, claim("ghosting", "never", datasets=("cub",)))
    assert (nowhere.overall.outcome, nowhere.overall.why) == ("open", "no result of cub")


def test_the_papers_claims_are_well_formed():
    keys = [one.key for one in CLAIMS]
    assert len(set(keys)) == len(keys) >= 60
    for one in CLAIMS:
        assert re.match(r"\[[KC]\]", one.source)
        assert one.statement.endswith(".")
        assert one.section in SECTIONS
        if one.test.margin:
            assert "[ours]" in one.margin, one.key
        assert not (one.along and one.over == "mean"), "data sets may have other values of the hyper-parameter"


def test_claims_without_results_say_what_is_missing(synthetic_suite):
    absent = {one.claim.key: one.overall.why for one in examine(synthetic_suite) if not one.compared}
    assert absent["bisecting-worse"] == "no result of kmex (flavour = bisecting)"
    assert absent["numbers-accuracy"] == "no result of kmex with several values of prototypes_per_class"
    assert absent["cifar10-alike"] == "no result of cifar10"
    assert absent["flint-flat"] == "no result of mnist or cifar10 or celeba"
    assert absent["kmex-predicts-fastest"].startswith("predict_seconds_single of kmex is not known")
    assert not {"kmex-accuracy", "kmex-lowest-kl", "flint-smallest-area", "b234-slight"} & absent.keys()


def test_the_report_says_everything(synthetic_suite):
    files = claim_files(synthetic_suite)
    assert list(files) == ["quick/claims.md", "quick/claims.csv", "quick/claims.json"]
    text = files["quick/claims.md"].decode()
    shown, absent = text.split("## No results in this suite")
    for one in examine(synthetic_suite):
        assert one.claim.statement in (shown if one.compared else absent)
        assert (f"`{one.claim.key}`" in shown) == one.compared
    assert (
        shown.index("## \\[K\\] 4.2.1")
        < shown.index("## \\[K\\] A.5")
        < shown.index("## \\[C\\] 4 Alignment and accuracy")
    )
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
