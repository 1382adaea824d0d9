"""Versions of the metrics that results hold, beside those that this sembench declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sembench.results.result import Result
from sembench.results.score import Measure
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.tables.escape import markdown as escape


@dataclass(frozen=True)
class OtherVersion:
    """A metric that was computed by another version of its definition than the current one of this sembench."""

    title: str
    version: int
    current: int

    @property
    def short(self) -> str:
        """Both versions, in plain text without a full stop, e.g. for a note below a table."""
        word, now = ("old", "now") if self.version < self.current else ("newer", "here")
        return f"{word}: version {self.version} of {self.title}; sembench {now} has version {self.current}"

    @property
    def text(self) -> str:
        """The same with what to do."""
        if self.version < self.current:
            return f"{self.short}, see CHANGELOG.md; compute again with sembench run --refresh"
        return f"{self.short}; install the sembench that computed it"


def current_versions() -> dict[str, int]:
    """Version of each metric that this sembench, and packages beside it, declare; by key, without importing torch.

    A metric is left out where its declaration cannot be read, see `sembench_leaderboard.entries.declared`.
    """
    return {name: measure.version for name, measure in declared().measures.items()}


def is_old(result: Result) -> bool:
    """Whether a result holds a metric of an older version than sembench has."""
    return any(own.version < own.current for own in other_versions(measures_of([result])).values())


def measures_of(results: Iterable[Result]) -> dict[str, Measure]:
    """What each metric of the results means, by key. The results are of one suite, so that versions do not mix."""
    return {name: score.measure for result in results for name, score in result.scores.items()}


def other_versions(measures: Mapping[str, Measure]) -> dict[str, OtherVersion]:
    """The metrics, by key, whose version is not the one that this sembench declares, in their order.

    A metric that this sembench does not know has no current version, and is left out.
    """
    current = current_versions()
    return {
        name: OtherVersion(measure.title, measure.version, current[name])
        for name, measure in measures.items()
        if measure.version != current.get(name, measure.version)
    }


def told(measures: Mapping[str, Measure]) -> list[str]:
    """The metrics of other versions as a list in Markdown, at most one paragraph; none where all are current."""
    lines = [f"- {_marked(own.text)}" for own in other_versions(measures).values()]
    return ["\n".join(lines)] if lines else []


def beside(metric: str, measure: Measure) -> list[str]:
    """A sentence in Markdown for one metric, where sembench has another version of it."""
    return [_marked(own.short) for own in other_versions({metric: measure}).values()]


def _marked(text: str) -> str:
    word, _, rest = text.partition(": ")
    return f"**{word.capitalize()}**: {escape(rest)}."
