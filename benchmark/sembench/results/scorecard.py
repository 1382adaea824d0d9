"""Renders scores as text and HTML: mean, chance level, direction. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from statistics import fmean

from sembench.results.score import NotApplicable, Score

_HEAD = ("measure", "mean", "by chance", "better", "over")


class Scorecard(dict[str, Score]):
    """Scores by metric, shown as a table in a terminal and in a notebook."""

    def __repr__(self) -> str:
        lines = [_HEAD, *rows(self)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(_HEAD))]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines
        )

    def _repr_html_(self) -> str:
        return html("", self)


def rows(scores: Mapping[str, Score]) -> list[tuple[str, ...]]:
    """A row of texts for each metric: title, mean, chance level, direction, number of units; or why it has none."""
    return [_row(score) for score in scores.values()]


def _row(score: Score) -> tuple[str, ...]:
    measure = score.measure
    title = f"{measure.title}, {measure.unit}" if measure.unit else measure.title
    if isinstance(score, NotApplicable):
        return title, "n/a", "", "", score.reason
    chance = fmean(score.chance) if isinstance(score.chance, tuple) else score.chance
    by_chance = "" if chance is None else f"{chance:.4g}"
    plural = "s" * (len(score.values) != 1)
    return (
        title,
        f"{fmean(score.values):.4g}",
        by_chance,
        measure.direction,
        f"{len(score.values):,} {measure.per}{plural}",
    )


def html(title: str, scores: Mapping[str, Score]) -> str:
    """The table as HTML; whatever comes from a result is escaped."""
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows(scores))
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
