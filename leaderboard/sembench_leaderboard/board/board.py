"""Tables and charts in a folder: what is written for each suite, and whether it is up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sembench.results.result import Result
from sembench_leaderboard.board import csv, page
from sembench_leaderboard.entries.entry import Entry, aggregate
from sembench_leaderboard.entries.grouping import by_suite
from sembench_leaderboard.entries.profile import outlines
from sembench_leaderboard.files import stale, write

_CHARTS = {
    "radar.png": "Radar chart: the profile of every explainer on five axes, one panel per data set",
    "radar-small-multiples.png": "Radar charts: one per explainer, the others in grey",
    "radar-conversions.png": "Radar charts: each conversion beside the model that it is made of",
    "radar-controls.png": "Radar chart of the controls, entries with a known answer",
}
FILES = ("board.md", "board.csv", "board.tex", *(f"{Path(n).stem}.{ext}" for n in _CHARTS for ext in ("png", "svg")))


Trust = Mapping[tuple[str, str], str]
"""How far entries are trusted, in words, by suite and entry; see `sembench_leaderboard.submission.records.standing`."""


def board(results: Iterable[Result], trust: Trust = MappingProxyType({})) -> dict[str, bytes]:
    """The files of all suites: content by path relative to the folder of the board, ``<suite>/<file>``.

    Two calls with the same results give the same bytes; charts also depend on the version of matplotlib.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `aggregate`.
    """
    files: dict[str, bytes] = {}
    for suite, own in by_suite(results).items():
        entries = aggregate(own)
        drawn = _drawn(suite, entries)
        embedded = {name: text for name, text in _CHARTS.items() if name in drawn}
        trusted = {entry: said for (of, entry), said in trust.items() if of == suite}
        content = drawn | {
            "board.md": page.page(suite, own, entries, embedded, trusted).encode(),
            "board.csv": csv.to_csv(entries).encode(),
            "board.tex": page.document(suite, entries).encode(),
        }
        files |= {f"{suite}/{name}": data for name, data in content.items()}
    return files


def _drawn(suite: str, entries: Sequence[Entry]) -> dict[str, bytes]:
    """The charts; matplotlib is imported only if there is something to draw."""
    profiles = outlines(entries)
    if not profiles:
        return {}
    from sembench_leaderboard.board.radar_chart import charts

    return charts(suite, profiles)


def write_board(results: Iterable[Result], out: Path, trust: Trust = MappingProxyType({})) -> list[Path]:
    """Writes the board of every suite to ``<out>/<suite>/`` and removes its charts that have nothing to show any more.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together; nothing is written then.
        DiskFull: If there is no room left; files written before are whole.
    """
    files = board(results, trust)
    paths = write(files, out)
    for name in _left_over(files, out):
        (out / name).unlink()
    return paths


def check_board(
    results: Iterable[Result], out: Path, trust: Trust = MappingProxyType({}), note: Callable[[str], None] | None = None
) -> list[str]:
    """Names the files of the board that are missing, outdated, or have nothing to show any more, as `stale` does."""
    files = board(results, trust)
    return sorted([*stale(files, out, note), *_left_over(files, out)])


def _left_over(files: Iterable[str], out: Path) -> list[str]:
    """Files of an older board of these suites that the new one does not have."""
    wanted = set(files)
    suites = {name.split("/")[0] for name in wanted}
    possible = (f"{suite}/{name}" for suite in sorted(suites) for name in FILES)
    return [name for name in possible if name not in wanted and (out / name).is_file()]
