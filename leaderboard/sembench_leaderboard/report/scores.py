"""The scores of a suite as one wide table for the report: a line per entry, a column per metric, notes for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sembench.results.score import Measure
from sembench_leaderboard.board.contents import score_cell
from sembench_leaderboard.entries.entry import Entry, by_method, column
from sembench_leaderboard.entries.versions import OtherVersion, other_versions
from sembench_leaderboard.statistics.digits import rounded
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.escape import anchor
from sembench_leaderboard.tables.table import SECTIONS


@dataclass(frozen=True)
class Heading:
    """Head of a metric's column in its group: the id of its definition, its version if sembench has another one."""

    metric: str
    measure: Measure
    section: str
    anchor: str
    other: OtherVersion | None = None

    @property
    def unit(self) -> str:
        """The unit as printed; empty for a pure number."""
        return numbers.unit(self.measure)


@dataclass(frozen=True)
class ScoreCell:
    """One score as printed.

    Attributes:
        value: The mean, or what stands in its place; interval and chance level are empty where there is none.
        levels: Further levels as printed, by name.
        note: Number of the note that says why the metric does not apply, or what is particular to the score.
        rank: The mean as a plain number, for sorting; empty where there is none.
    """

    value: str
    interval: str = ""
    chance: str = ""
    levels: tuple[tuple[str, str], ...] = ()
    note: int | None = None
    rank: str = ""


@dataclass(frozen=True)
class Line:
    """One explainer on one data set: what the table says of it, and the id of its section."""

    dataset: str
    explainer: str
    kind: str
    of: str | None
    seeds: tuple[int, ...]
    anchor: str
    cells: tuple[ScoreCell, ...]


@dataclass(frozen=True)
class Scores:
    """The table, and its notes in the order of their numbers, which start at 1."""

    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def sections(self) -> dict[str, int]:
        """The groups of columns, with the number of their columns."""
        names = [heading.section for heading in self.headings]
        return {name: names.count(name) for name in dict.fromkeys(names)}


def score_table(entries: Sequence[Entry]) -> Scores:
    """The whole table of one suite; lines in the order of the entries, columns by group and then as on the board."""
    measures = {entry.metric: entry.measure for entry in entries}
    order = list(dict.fromkeys(SECTIONS.values()))
    metrics = sorted(measures, key=lambda metric: (order.index(SECTIONS[measures[metric].per]), column(metric)))
    others = other_versions(measures)
    headings = tuple(
        Heading(m, measures[m], SECTIONS[measures[m].per], anchor("metric", m), others.get(m)) for m in metrics
    )
    notes: list[str] = []
    lines = [
        Line(
            dataset=dataset,
            explainer=explainer,
            kind=own[0].role,
            of=own[0].of,
            seeds=own[0].seeds,
            anchor=anchor("entry", dataset, explainer),
            cells=tuple(_with_levels({e.metric: e for e in own}.get(metric), notes) for metric in metrics),
        )
        for (dataset, explainer), own in by_method(entries).items()
    ]
    return Scores(headings, tuple(lines), tuple(notes))


def _with_levels(entry: Entry | None, notes: list[str]) -> ScoreCell:
    """One score as printed, its levels and its rank; the reason why there is none, or its own note, joins the notes."""
    cell = score_cell(entry, notes)
    note = None if cell.note is None else cell.note + 1
    value, _, interval = cell.text.partition(" ")
    if entry is None or entry.value is None:
        return ScoreCell(value, note=note)
    chance = "" if entry.chance is None else numbers.alone(entry.chance, entry.measure)
    levels = tuple((name, numbers.alone(level, entry.measure)) for name, level in entry.levels.items())
    return ScoreCell(value, interval, chance, levels, note, rank=f"{rounded(entry.value):.9g}")
