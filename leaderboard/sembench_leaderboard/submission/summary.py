"""What does validation say, for whoever reads a pull request? The verdict as Markdown, the complaints as a table."""

from __future__ import annotations

from sembench_leaderboard.submission.complaint import shown
from sembench_leaderboard.submission.validate import Verdict
from sembench_leaderboard.tables.escape import markdown

MOST = 200
"""Complaints in the table; a page has its limits, and whoever mends two hundred runs the check again."""


def summary(verdict: Verdict, accepted: frozenset[str] = frozenset()) -> str:
    """The verdict as Markdown. Text of the submission stays text.

    Args:
        verdict: What `sembench_leaderboard.submission.validate` found.
        accepted: Entries that were there before, ``suite/entry``; the others are marked as new.
    """
    complaints = verdict.complaints
    said = f"Refused: {len(complaints)} complaints" if complaints else "Nothing to complain of"
    lines = [f"## {said}", "", f"{len(verdict.results)} readable results of {len(verdict.entries)} entries."]
    new = [entry for entry in verdict.entries if entry not in accepted]
    if accepted and new:
        lines.append("New: " + ", ".join(_cell(entry) for entry in new) + ".")
    if complaints:
        lines += ["", "| file | field | problem | what to do |", "|---|---|---|---|"]
        lines += [
            "| " + " | ".join(map(_cell, (one.file, one.field, one.problem, one.remedy))) + " |"
            for one in complaints[:MOST]
        ]
    if len(complaints) > MOST:
        lines += ["", f"And {len(complaints) - MOST} more."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return markdown(shown(text))
