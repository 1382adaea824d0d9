"""The verdict on a submission: reasons to refuse it, each with file, field, what was found there, and a remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from sembench.results.result import Result
from sembench_leaderboard.tables.escape import markdown, one_line

RERUN = "Compute the run again with `sembench run --refresh`; results are not edited by hand."
WHOLE = "the file"
Results = Mapping[PurePosixPath, Result]
"""Results by path, relative to their folder."""
_LONGEST = 160
_PER_FILE = 8
MOST = 200
"""Problems in the table; a page has its limits, and after two hundred repairs the check has to run again anyway."""


class Wrong(NamedTuple):
    """One reason to refuse a file: a field, keys joined by dots, or `WHOLE`; what was found; a remedy."""

    field: str
    text: str
    remedy: str = RERUN


@dataclass(frozen=True, order=True)
class Problem:
    """A `Wrong` of a file, by path relative to the submitted folder; its text is shown shortened, on one line."""

    file: str
    field: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{shown(self.file)}: {shown(self.field)}: {self.text}. {self.remedy}"


def shown(value: object) -> str:
    """Text that came from a submission, safe to print: one line, nothing invisible, shortened."""
    text = one_line(value if isinstance(value, str) else repr(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def counted(problems: Sequence[Problem]) -> str:
    """Their number in words, e.g. ``"1 problem"``."""
    return f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"


def limited(path: PurePosixPath, wrong: Sequence[Wrong]) -> list[Problem]:
    """The first few problems of one file, and the number of the others."""
    problems = [Problem(str(path), *item) for item in wrong[:_PER_FILE]]
    if len(wrong) > _PER_FILE:
        problems.append(Problem(str(path), WHOLE, f"holds {len(wrong) - _PER_FILE} more errors", RERUN))
    return problems


@dataclass(frozen=True)
class Verdict:
    """The outcome of a validation.

    Attributes:
        problems: Reasons to refuse the submission; none where it may be accepted.
        results: The results that keep the schema, by path.
        accepted: Entries of the base, ``suite/entry``.
        old: Results that were accepted when their metrics had older versions. They stay so, and are not held against
            the metrics and suites of today; a new result has to be of the current versions.
        notes: What a reader should know although it is no reason to refuse anything, a line each.
    """

    problems: tuple[Problem, ...]
    results: Results
    accepted: frozenset[str] = frozenset()
    old: frozenset[PurePosixPath] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def entries(self) -> list[str]:
        """The entries that were found, ``suite/entry``."""
        return sorted({f"{result.suite}/{result.explainer}" for result in self.results.values()})

    def markdown(self) -> str:
        """The verdict, new entries and a table of problems. Text of the submission is escaped."""
        lines = ["## No problems found" if not self.problems else f"## Refused: {counted(self.problems)}", ""]
        lines.append(f"{len(self.results)} readable results of {len(self.entries)} entries.")
        new = [entry for entry in self.entries if entry not in self.accepted]
        if self.accepted and new:
            lines.append("New: " + ", ".join(markdown(shown(entry)) for entry in new) + ".")
        if self.notes:
            lines += ["", *(f"- {markdown(note)}" for note in self.notes)]
        if self.problems:
            lines += ["", "| file | field | problem | what to do |", "|---|---|---|---|"]
        for one in self.problems[:MOST]:
            parts = (one.file, one.field, one.text, one.remedy)
            lines.append("| " + " | ".join(markdown(shown(part)) for part in parts) + " |")
        if len(self.problems) > MOST:
            lines += ["", f"And {len(self.problems) - MOST} more."]
        return "\n".join(lines) + "\n"
