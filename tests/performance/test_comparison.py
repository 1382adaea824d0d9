"""What a comparison of two recordings names, and what it leaves alone: known differences, and pure noise."""

import json

import numpy as np
import pytest
from scipy import stats

from sembench.bench.comparison import LEVEL, compare
from sembench.bench.comparison_chart import chart
from sembench.bench.comparison_page import as_json, markdown
from sembench.bench.recording import Recording, RecordingInvalid, Round, read_recording

NAMES = [f"workload {number}" for number in range(20)]


def recording(times, *, tree="base", session="one", counts=None, scores=None, machine=None):
    """A recording of ``times`` (rounds, workloads); counts and scores are the same in every round."""
    rounds = [
        Round(
            seconds=dict(zip(NAMES, row, strict=False)),
            counts={name: {"passes": 3, "images": 60, **(counts or {}).get(name, {})} for name in NAMES[: len(row)]},
            scores={name: (scores or {}).get(name, [0.5, 0.25]) for name in NAMES[: len(row)]},
        )
        for row in np.asarray(times).tolist()
    ]
    return Recording(tree=tree, session=session, machine=machine or {"cores": "2"}, rounds=rounds)


def noisy(source, rounds=5, workloads=20, spread=0.05):
    return np.exp(spread * source.standard_normal((rounds, workloads)))


def named(found):
    return [time.name for time in found.times if time.changed]


def spiky(source, rounds, workloads):
    """Mostly quiet, sometimes five times as slow: another program came in between."""
    spikes = np.where(source.random((rounds, workloads)) < 0.1, 5.0, 1.0)
    return spikes * noisy(source, rounds, workloads)


def drifting(source, rounds, workloads):
    """A machine that becomes slower from round to round, for both sides alike."""
    return noisy(source, rounds, workloads) * np.linspace(1, 3, rounds)[:, None]


@pytest.mark.parametrize("noise", [noisy, spiky, drifting])
@pytest.mark.parametrize("session", ["one", "two"], ids=["in turn", "apart"])
def test_pure_noise_is_called_a_change_no_more_often_than_stated(noise, session):
    source, total = np.random.default_rng(0), 200
    wrong = sum(
        bool(named(compare(recording(noise(source, 5, 20)), recording(noise(source, 5, 20), session=session))))
        for _ in range(total)
    )
    assert stats.binomtest(wrong, total, LEVEL, alternative="greater").pvalue > 0.01, f"{wrong} of {total}"


def test_a_change_larger_than_the_noise_is_named_and_no_other():
    source = np.random.default_rng(1)
    base, head = noisy(source, spread=0.01), noisy(source, spread=0.01)
    head[:, 3] *= 1.5
    head[:, 7] /= 2
    found = compare(recording(base), recording(head, tree="head"))
    assert named(found) == ["workload 3", "workload 7"]
    slower = found.times[3]
    assert slower.low < 1.5 < slower.high
    assert slower.ratio == pytest.approx(1.5, rel=0.05)
    assert slower.noise < 0.1


def test_taking_turns_sees_through_a_slow_machine():
    """The noise that both sides of a round share cancels; recorded apart, it hides the change."""
    source = np.random.default_rng(2)
    shared = noisy(source, rounds=6, workloads=1, spread=0.5)
    base, head = shared * noisy(source, 6, 1, 0.01), 1.2 * shared * noisy(source, 6, 1, 0.01)
    assert named(compare(recording(base), recording(head))) == ["workload 0"]
    assert named(compare(recording(base), recording(head, session="two"))) == []


def test_the_interval_is_students():
    """Against SciPy: one workload, so that the level is not shared."""
    base, head = np.array([[1.0], [1.2], [0.9]]), np.array([[1.3], [1.5], [1.0]])
    paired = compare(recording(base), recording(head)).times[0]
    interval = stats.ttest_rel(np.log(head[:, 0]), np.log(base[:, 0])).confidence_interval(1 - LEVEL)
    assert (np.log(paired.low), np.log(paired.high)) == pytest.approx((interval.low, interval.high))
    apart = compare(recording(base), recording(head, session="two")).times[0]
    interval = stats.ttest_ind(np.log(head[:, 0]), np.log(base[:, 0]), equal_var=False).confidence_interval(1 - LEVEL)
    assert (np.log(apart.low), np.log(apart.high)) == pytest.approx((interval.low, interval.high))


def test_counts_and_scores_are_compared_exactly():
    times = np.ones((2, 3))
    head = recording(
        times, counts={"workload 1": {"passes": 4, "modules": 7}}, scores={"workload 2": [0.5, 0.25 + 1e-12]}
    )
    found = compare(recording(times), head)
    assert found.counts == [("workload 1", "modules", 0, 7), ("workload 1", "passes", 3, 4)]
    assert found.scores == [("workload 2", 1, 2, pytest.approx(1e-12, rel=1e-3))]
    assert named(found) == []
    text = markdown(found)
    assert "**Counts: changed in 1 of 3 workloads**, exactly." in text
    assert "| workload 1 | passes | 3 | 4 |" in text
    assert "**Scores: changed in 1 of 3 workloads.**" in text


def test_what_is_not_steady_is_not_compared_but_said():
    base = recording(np.ones((2, 2)))
    rounds = [base.rounds[0], base.rounds[1].model_copy(update={"counts": {"workload 0": {"passes": 9}, **{
        name: count for name, count in base.rounds[1].counts.items() if name != "workload 0"}}})]  # fmt: skip
    found = compare(base, base.model_copy(update={"rounds": rounds}))
    assert found.unsteady == ["counts of workload 0"]
    assert found.counts == []
    assert "- counts of workload 0: not the same in every round of one side" in markdown(found)


def test_a_workload_of_one_side_is_named_with_the_reason():
    base, head = recording(np.ones((2, 2))), recording(np.ones((2, 3)))
    without = [
        one.model_copy(update={"left_out": {"workload 2": "ModuleNotFoundError: no | such"}}) for one in base.rounds
    ]
    found = compare(base.model_copy(update={"rounds": without}), head)
    assert found.missing == {"workload 2": "base: ModuleNotFoundError: no | such"}
    assert "- workload 2: base: ModuleNotFoundError: no \\| such" in markdown(found)


def test_nothing_changed_is_said_in_three_lines():
    same = recording(np.full((3, 2), 0.01))
    text = markdown(compare(same, same.model_copy(update={"tree": "head"})))
    assert text.startswith("# base against head\n\n- Counts: all the same, exactly.\n- Scores of the tiny run: all the")
    assert "Times: none of 2 changed beyond the noise." in text
    assert "beyond the noise\n\n|" not in text


def test_noise_that_hides_everything_is_said_to():
    base, head = np.array([[1.0], [9.0]]), np.array([[8.0], [1.0]])
    assert "| any | nothing: too noisy |" in markdown(compare(recording(base), recording(head)))


def test_another_machine_is_said():
    times = np.ones((2, 1))
    found = compare(recording(times), recording(times, machine={"cores": "64"}, session="two"))
    assert found.machines == [("cores", "2", "64")]
    assert "**The machines differ: cores was 2, is 64.**" in markdown(found)
    assert "The sides were recorded apart" in markdown(found)


def test_the_json_says_what_the_page_says():
    source = np.random.default_rng(1)
    base = noisy(source, spread=0.01)
    head = recording(2 * base, tree="head", scores={"workload 1": [1.0]})
    content = json.loads(as_json(compare(recording(base), head)))
    assert [entry["changed"] for entry in content["times"]] == [True] * 20
    assert content["scores"] == [["workload 1", 2, 2, None]]
    assert content["paired"] is True


def test_the_chart_is_the_same_every_time_and_holds_every_name():
    found = compare(recording(noisy(np.random.default_rng(0))), recording(noisy(np.random.default_rng(1))))
    first, again = chart(found), chart(found)
    assert first == again
    assert first["comparison.png"].startswith(b"\x89PNG")
    assert all(f"<!-- {name} -->".encode() in first["comparison.svg"] for name in NAMES)


def test_one_round_shows_no_noise():
    with pytest.raises(RecordingInvalid, match=r"base has one round, which shows no noise\. Record two or more"):
        compare(recording(np.ones((1, 2))), recording(np.ones((2, 2))))


def test_recordings_without_a_common_workload_are_refused():
    base = recording(np.ones((2, 1)))
    empty = base.model_copy(update={"rounds": [Round(seconds={}, counts={}, scores={})] * 2})
    with pytest.raises(RecordingInvalid, match="no workload in common"):
        compare(base, empty)


def test_a_folder_is_its_files_together(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.json").write_text(recording(np.full((2, 2), 1.0 + number)).model_dump_json())
    found = read_recording(tmp_path)
    assert [one.seconds["workload 0"] for one in found.rounds] == [1.0, 1.0, 2.0, 2.0]
    assert found.session == ""
    (tmp_path / "2.json").write_text(recording(np.ones((1, 2)), tree="head").model_dump_json())
    with pytest.raises(RecordingInvalid, match=r"2\.json is of head, .*0\.json of base"):
        read_recording(tmp_path)


def test_scores_that_are_not_finite_survive_the_file(tmp_path):
    (tmp_path / "a.json").write_text(
        recording(np.ones((2, 1)), scores={"workload 0": [np.inf]}).model_dump_json(), encoding="utf-8"
    )
    assert read_recording(tmp_path / "a.json").rounds[0].scores["workload 0"] == [np.inf]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no recorded benchmark"),
        ('{"format": 1}', "Field required"),
        ('{"format": 2, "tree": "", "session": "", "machine": {}, "rounds": []}', "has format 2 and 0 rounds"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(RecordingInvalid, match=message):
        read_recording(tmp_path / "a.json")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(RecordingInvalid, match=r"holds no JSON file\. `sembench bench record` writes them"):
        read_recording(tmp_path)
