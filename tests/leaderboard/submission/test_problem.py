"""The summary for readers of a pull request; text of a submission stays text."""

from types import SimpleNamespace

from sembench_leaderboard.submission.problem import MOST, Problem, Verdict


def markdown(*problems, entries=("kmex",), accepted=()):
    results = {number: SimpleNamespace(suite="quick", explainer=entry) for number, entry in enumerate(entries)}
    return Verdict(tuple(problems), results, frozenset(accepted)).markdown()


def test_a_good_submission_is_said_to_be_good():
    text = markdown(entries=("kmex", "mine", "mine"), accepted=["quick/kmex"])
    assert text == "## No problems found\n\n3 readable results of 2 entries.\nNew: quick/mine.\n"


def test_every_problem_is_a_row():
    text = markdown(Problem("a/b.json", "scores.accuracy", "is 1.2, above 1", "Compute it again."))
    assert "## Refused: 1 problem\n" in text
    assert "\n| a/b.json | scores.accuracy | is 1.2, above 1 | Compute it again. |\n" in text
    assert "New:" not in text


def test_markup_of_a_submission_stays_text():
    text = markdown(Problem("x|y\n# z", "<img src=x>", "[a](b)", "Do."), entries=("**bold**",))
    assert "| x\\|y \\# z | \\<img src=x\\> | \\[a\\](b) | Do. |" in text
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 1


def test_a_flood_of_problems_is_cut():
    text = markdown(*(Problem(f"{n}.json", "f", "p", "r") for n in range(MOST + 5)))
    assert f"## Refused: {MOST + 5} problems\n" in text
    assert text.count(".json") == MOST
    assert text.endswith("And 5 more.\n")
