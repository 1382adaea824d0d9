"""Versions of the metrics that results hold, beside those that this sembench declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sembench.results.result import Result
from sembench.results.score import Measure
from sembench_leaderboard.entries.declared import declared


@dataclass(frozen=True)
class OtherVersion:
    """A metric that was computed by another version of its definition than this sembench has.

    Attributes:
        metric: Key of the metric.
        title: Its name as printed.
        version: Version of the results.
        current: Version that this sembench declares.
    """

    metric: str
    title: str
    version: int
    current: int

    @property
    def text(self) -> str:
        """What a reader has to know, in one line of plain text without a full stop."""
        if self.version < self.current:
            return (
                f"old: version {self.version} of {self.title}; sembench now has version {self.current}, see "
                "CHANGELOG.md; compute again with `sembench run --refresh`"
            )
        return (
            f"newer: version {self.version} of {self.title}; this sembench has version {self.current}; install the "
            "sembench that computed it"
        )


def current_versions() -> dict[str, int]:
    """Version of each metric that this sembench, and packages beside it, declare; by key, without importing torch.

    A metric is left out where its declaration cannot be read, see `sembench_leaderboard.entries.declared`.
    """
    return {name: measure.version for name, measure in declared().measures.items()}


def measures_of(results: Iterable[Result]) -> dict[str, Measure]:
    """What each metric of the results means, by key. The results are of one suite, so that versions do not mix."""
    return {name: score.measure for result in results for name, score in result.scores.items()}


def other_versions(measures: Mapping[str, Measure]) -> dict[str, OtherVersion]:
    """The metrics, by key, whose version is not the one that this sembench declares, in their order.

    A metric that this sembench does not know has no current version, and is left out.
    """
    current = current_versions()
    return {
        name: OtherVersion(name, measure.title, measure.version, current[name])
        for name, measure in measures.items()
        if measure.version != current.get(name, measure.version)
    }
