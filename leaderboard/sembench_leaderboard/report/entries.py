"""Sections of the report on each entry: scores, hyper-parameters and where its numbers come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sembench.results.result import Result
from sembench_leaderboard.entries.entry import Entry, by_method
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.entries.selection import in_words
from sembench_leaderboard.report.figures import Figure
from sembench_leaderboard.report.scores import Heading, Line, Scores
from sembench_leaderboard.tables import numbers


@dataclass(frozen=True)
class Section:
    """One explainer on one data set.

    Attributes:
        line: Its line of the table.
        variants: Means under other definitions, as printed: title of the metric, name of the variant, mean.
        hyperparameters: Its recipe, as printed, every distinct value over seeds.
        settings: All that was asked for, as JSON, but for the seed.
        sources: Names of what source files hold, with their SHA-256.
        seeds: Its results, by seed.
    """

    line: Line
    figures: tuple[Figure, ...]
    variants: tuple[tuple[str, str, str], ...]
    hyperparameters: tuple[tuple[str, str], ...]
    settings: str
    sources: tuple[tuple[str, str], ...]
    seeds: tuple[Result, ...]


def sections(
    scores: Scores, entries: Sequence[Entry], results: Sequence[Result], figures: Sequence[Figure]
) -> list[Section]:
    """A section for each line of the table, in its order."""
    runs = gathered(sorted(results, key=lambda result: result.seed), lambda result: (result.dataset, result.explainer))
    own = by_method(entries)
    drawn = gathered(figures, lambda figure: (figure.dataset, figure.explainer))
    return [
        Section(
            line=line,
            figures=tuple(drawn.get(place, ())),
            variants=_variants(own[place], scores.headings),
            hyperparameters=_each_value([result.hyperparameters for result in runs[place]]),
            settings=_settings(runs[place][0]),
            sources=_sources(runs[place]),
            seeds=tuple(runs[place]),
        )
        for line in scores.lines
        for place in [(line.dataset, line.explainer)]
    ]


def _variants(entries: Sequence[Entry], headings: Sequence[Heading]) -> tuple[tuple[str, str, str], ...]:
    by_metric = {entry.metric: entry for entry in entries}
    return tuple(
        (heading.measure.title, name, numbers.alone(value, heading.measure))
        for heading in headings
        if heading.metric in by_metric
        for name, value in by_metric[heading.metric].variants.items()
    )


def _each_value(mappings: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Every name with its distinct values over all mappings, as text."""
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return tuple(
        (name, " / ".join(dict.fromkeys(in_words(mapping[name]) for mapping in mappings if name in mapping)))
        for name in names
    )


def _settings(result: Result) -> str:
    asked = {name: value for name, value in result.settings.items() if name != "seed"}
    return json.dumps(asked, indent=1, sort_keys=True, ensure_ascii=False)


def _sources(results: Sequence[Result]) -> tuple[tuple[str, str], ...]:
    """The files that were used, by hash: many metrics share their files."""
    names: dict[str, dict[str, None]] = {}
    for result in results:
        for name, sha256 in result.provenance.sources.items():
            names.setdefault(sha256, {})[name] = None
    return tuple((", ".join(own), sha256) for sha256, own in names.items())
