"""What is wrong with a submission? File, field, what was found there, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from sembench_leaderboard.tables.escape import one_line

_LONGEST = 160


@dataclass(frozen=True, order=True)
class Complaint:
    """One reason to refuse a submission. Text from the submission is shown on one line, shortened.

    Attributes:
        file: Path relative to the folder that was submitted.
        field: Path of the field within the file, keys joined by dots; ``"the file"`` where all of it is meant.
        problem: What was found, and what is accepted.
        remedy: What to do next.
    """

    file: str
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{shown(self.file)}: {shown(self.field)}: {self.problem}. {self.remedy}"


def shown(value: object) -> str:
    """Text that came from a submission, safe to print: one line, nothing invisible, shortened."""
    text = one_line(value if isinstance(value, str) else repr(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
