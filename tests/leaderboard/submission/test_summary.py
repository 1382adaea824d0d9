"""What a reader of a pull request is told; text of a submission stays text."""

from types import SimpleNamespace

from sembench_leaderboard.submission.complaint import Complaint
from sembench_leaderboard.submission.summary import MOST, summary
from sembench_leaderboard.submission.validate import Verdict


def verdict(*complaints, entries=("kmex",)):
    results = {number: SimpleNamespace(suite="quick", explainer=entry) for number, entry in enumerate(entries)}
    return Verdict(tuple(complaints), results)


def test_a_good_submission_is_said_to_be_good():
    text = summary(verdict(entries=("kmex", "mine", "mine")), frozenset({"quick/kmex"}))
    assert text == "## Nothing to complain of\n\n3 readable results of 2 entries.\nNew: quick/mine.\n"


def test_every_complaint_is_a_row():
    text = summary(verdict(Complaint("a/b.json", "scores.accuracy", "is 1.2, above 1", "Compute it again.")))
    assert "## Refused: 1 complaints\n" in text
    assert "\n| a/b.json | scores.accuracy | is 1.2, above 1 | Compute it again. |\n" in text
    assert "New:" not in text


def test_markup_of_a_submission_stays_text():
    text = summary(verdict(Complaint("x|y\n# z", "<img src=x>", "[a](b)", "Do."), entries=("**bold**",)))
    assert "| x\\|y \\# z | \\<img src=x\\> | \\[a\\](b) | Do. |" in text
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 1


def test_a_flood_of_complaints_is_cut():
    text = summary(verdict(*(Complaint(f"{n}.json", "f", "p", "r") for n in range(MOST + 5))))
    assert text.count(".json") == MOST
    assert text.endswith("And 5 more.\n")
