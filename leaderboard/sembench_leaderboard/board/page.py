"""The board as a page of Markdown (charts, tables, what every column means), and its tables as LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sembench.results.result import Result
from sembench.results.score import Measure
from sembench_leaderboard.board.contents import (
    EXPLANATION,
    cost_table,
    legend,
    overview_tables,
    score_tables,
    variant_tables,
)
from sembench_leaderboard.board.facts import facts
from sembench_leaderboard.entries.entry import Entry, column
from sembench_leaderboard.entries.settings import altered
from sembench_leaderboard.entries.versions import other_versions, told
from sembench_leaderboard.tables import latex, numbers
from sembench_leaderboard.tables.escape import latex as escape_latex
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.markdown import table
from sembench_leaderboard.tables.table import COMPARED, CONTROLS, Table

_HOW_TO_READ = """\
- A cell reads `value [low, high]`: the mean over seeds and images (or prototypes), and its 95 % bootstrap interval, \
which covers other seeds and other images, but no other training data and no other data set. It is widened for few \
seeds, as those of claims and statistics are (9.2 times with two seeds, 2.7 with three, 1.6 with five), and cut at the \
ends of the measure's range; that of one seed speaks of one trained model. Do not read overlapping intervals as a \
test: all entries are scored on the same images.
- ↑ higher is better, ↓ lower is better. What each column means stands at the end.
- *By chance* is what a method that knows nothing would score: a row where that is one number for all, a column beside \
the score where it was measured for each entry. A score says something only beside its chance level.
- `n/a`: not applicable, the note says why; it counts neither for nor against an entry. `—`: not measured, or not known.
- Profiles first, ranks last: entries are in alphabetical order, since no single order is the right one."""

_ABOUT_OVERVIEW = """\
What the radar charts show, with accuracy and the gain over random order. Seeds, chance levels, controls and costs \
stand with each data set below."""

_ABOUT_CONTROLS = """\
Entries with a known answer, there to check the measures. They do not take part in the comparison. Hold a gain over \
random order against that of `shuffled`, whose map belongs to another image: objects stand in the middle of most."""

_ABOUT_VARIANTS = """\
Other definitions of the same measures, as means. The last row counts the pairs of explainers that a variant puts in \
the same order as the primary definition."""


_ABOUT_TRUST = """\
*Submitted*: computed by those who proposed the entry. *Verified*: some of its runs were computed again by those who \
keep the board, with the same scores to the last bit, or within the tolerance that other weights ask for. Entries \
that are not named here were computed by those who keep the board."""


def page(
    suite: str,
    results: Sequence[Result],
    entries: Sequence[Entry],
    charts: Mapping[str, str],
    trust: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The whole board of one suite.

    ``charts`` holds the alternative text of each file beside the page, ``trust`` says in words how far an entry that
    came from elsewhere is trusted.
    """
    measures = {entry.metric: entry.measure for entry in entries}
    shown = "".join(f"\n- *{escape(level)}*: {escape(text)}." for level, text in legend(entries).items())
    fields = altered(suite, results)
    parts = [f"# Board of the suite {escape(suite)}{', with other settings' if fields else ''}", _HOW_TO_READ + shown]
    parts += told(measures)
    if fields:
        parts.append(f"Some of these results have other settings than the suite: {', '.join(map(escape, fields))}.")
    parts += [f"![{escape(alt)}]({name})" for name, alt in charts.items()]
    overview = overview_tables(entries)
    if overview:
        parts += ["## All data sets", _ABOUT_OVERVIEW]
        parts += _titled(overview)
    for dataset in sorted({entry.dataset for entry in entries}):
        own = [result for result in results if result.dataset == dataset]
        parts += section(dataset, own, [entry for entry in entries if entry.dataset == dataset])
    if trust:
        trusted = "\n".join(f"- {escape(entry)}: {escape(said)}" for entry, said in sorted(trust.items()))
        parts += ["## Submitted and verified", _ABOUT_TRUST, trusted]
    parts += ["## What the columns mean", "\n".join(definition(m, measures[m]) for m in sorted(measures, key=column))]
    return "\n\n".join(parts) + "\n"


def section(dataset: str, results: Sequence[Result], entries: Sequence[Entry]) -> list[str]:
    """Paragraphs about one data set: facts, scores, controls, cost, and variants where they were computed."""
    parts = [f"## {escape(dataset)}", "\n".join(f"- {name}: {escape(text)}" for name, text in facts(results))]
    for scores in score_tables(entries, COMPARED):
        parts += [f"### {scores.heading}", *table(scores)]
    controls = score_tables(entries, CONTROLS)
    if controls:
        parts += ["### Controls", _ABOUT_CONTROLS]
        parts += _titled(controls)
    parts += ["### Cost", *table(cost_table(results)), EXPLANATION]
    variants = variant_tables(entries)
    if variants:
        parts += ["### Variants", _ABOUT_VARIANTS]
        parts += _titled(variants)
    return parts


def _titled(tables: Sequence[Table]) -> list[str]:
    return [part for own in tables for part in (f"**{escape(own.heading)}**", *table(own))]


def definition(metric: str, measure: Measure) -> str:
    """What a column means, on one line."""
    low = "-∞" if measure.lower is None else f"{measure.lower:g}"
    high = "∞" if measure.upper is None else f"{measure.upper:g}"
    unit = f" {escape(measure.unit)}" if measure.unit else ""
    shown = ", shown in %" if numbers.in_percent(measure) else ""
    note = f"{escape(measure.note.rstrip('.'))}. " if measure.note.strip() else ""
    others = other_versions({metric: measure}).values()
    beside = "".join(f"; sembench has version {own.current}" for own in others)
    return (
        f"- **{escape(measure.title)}** ({escape(metric)}, version {measure.version}{beside}): {note}"
        f"{measure.direction.capitalize()} is better; from {low} to {high}{unit}{shown}; one score per {measure.per}. "
        f"Chance level: {escape(measure.chance_is)}. Reference: {escape(measure.reference)}."
    )


def document(suite: str, entries: Sequence[Entry]) -> str:
    """All score tables of a suite, to be included in a document."""
    parts = [latex.PREAMBLE]
    parts += [_float(content, suite, "all data sets", content.heading) for content in overview_tables(entries)]
    for dataset in sorted({entry.dataset for entry in entries}):
        own = [entry for entry in entries if entry.dataset == dataset]
        for kinds, of in ((COMPARED, ""), (CONTROLS, " of the controls")):
            parts += [_float(content, suite, dataset, content.heading + of) for content in score_tables(own, kinds)]
    return "\n".join(parts)


def _float(content: Table, suite: str, dataset: str, what: str) -> str:
    caption = f"{what} on {escape_latex(dataset)} (suite {escape_latex(suite)}): mean [95\\,\\% interval]."
    label = f"tab:{suite}-{dataset}-{what}".lower().replace(" ", "-")
    return latex.floating(content, caption, label)
