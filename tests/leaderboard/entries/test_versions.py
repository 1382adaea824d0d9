"""Results of older metric versions are told apart from those of the version that sembench declares."""

import subprocess
import sys

from builders import measure, result, scored
from sembench.plugins.registry import METRICS
from sembench_leaderboard.entries import versions
from sembench_leaderboard.entries.versions import current_versions, measures_of, other_versions
from units import own


def test_the_current_versions_are_those_that_the_metrics_declare():
    assert {name: current_versions()[name] for name in own(METRICS)} == {
        name: METRICS.get(name).version for name in own(METRICS)
    }


def test_an_older_and_a_newer_version_are_named_and_the_same_one_is_not(monkeypatch):
    monkeypatch.setattr(versions, "current_versions", lambda: {"lrp_kl": 2, "ro_auroc": 2, "ghosting": 2})
    held = {
        "ghosting": measure("ghosting", version=2),
        "lrp_kl": measure("lrp_kl", version=1),
        "ro_auroc": measure("ro_auroc", version=3),
        "theirs": measure("theirs", version=7),  # nothing is known of it here
    }
    found = other_versions(held)
    assert {name: (own.version, own.current) for name, own in found.items()} == {"lrp_kl": (1, 2), "ro_auroc": (3, 2)}
    assert found["lrp_kl"].text == (
        "old: version 1 of LRP-KL; sembench now has version 2, see CHANGELOG.md; compute again with "
        "sembench run --refresh"
    )
    assert found["ro_auroc"].text == (
        "newer: version 3 of RO-AUROC; sembench here has version 2; install the sembench that computed it"
    )


def test_what_the_results_hold_is_read_from_their_scores():
    held = measures_of([result({"lrp_kl": scored("lrp_kl", [0.1])}), result({"ghosting": scored("ghosting", [0])})])
    assert list(held) == ["lrp_kl", "ghosting"]
    assert other_versions(held) == {}


def test_versions_are_read_without_torch():
    code = (
        "import sys; from sembench_leaderboard.entries.versions import current_versions; "
        "assert current_versions()['lrp_kl']; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "sembench.metrics.lrp_kl"} & set(loaded)
