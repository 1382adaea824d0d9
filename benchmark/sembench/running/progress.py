"""Progress of runs: a live line at a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sembench.errors import first_line
from sembench.results.result import Result, wrong_fields
from sembench.results.score import Scored
from sembench.suites.plan import Run


def reason_of(error: Exception) -> str:
    """An error in one line; one of pydantic with the fields that it is about."""
    if isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error.title}: {wrong_fields(error, 'the whole')}"
    return f"{type(error).__name__}: {first_line(error)}"


class PlainReporter:
    """One line per event, for logs; of ``total`` runs, some were ``done`` already."""

    def __init__(self, stream: IO[str], total: int, done: int) -> None:
        self._stream = stream
        self._total = total
        self._done = done
        self._started = time.perf_counter()
        self._told: set[str] = set()

    def _line(self, text: str, colour: str) -> None:
        elapsed = time.perf_counter() - self._started
        self._stream.write(f"[{elapsed:7.1f} s] {text}\n")
        self._stream.flush()

    def phase(self, run: Run, text: str) -> None:
        """Says what a run is busy with."""
        self._line(f"{run.name}: {text}", "")

    def note(self, text: str) -> None:
        """A line per note."""
        self._line(f"note: {text}", "yellow")

    def finished(self, run: Run, result: Result, seconds: float) -> None:
        """A line with the mean of every score."""
        self._done += 1
        means = ", ".join(
            f"{name} {sum(score.values) / len(score.values):.4g}" if isinstance(score, Scored) else f"{name} n/a"
            for name, score in result.scores.items()
        )
        self._line(f"{run.name}: done in {seconds:.1f} s ({self._done}/{self._total}): {means}", "green")

    def failed(self, run: Run, error: Exception) -> None:
        """A line with the reason, once for all runs that share it; the summary counts them."""
        reason = reason_of(error)
        if reason not in self._told:
            self._told.add(reason)
            self._line(f"{run.name}: FAILED: {reason}", "red")


class LiveReporter(PlainReporter):
    """The same lines, coloured, above the bar of rich's running ``progress``; beside it what a run is busy with."""

    def __init__(self, progress: Progress, total: int, done: int) -> None:
        super().__init__(progress.console.file, total, done)
        self._progress = progress
        self._task: TaskID = progress.add_task("starting", total=total, completed=done)

    def _line(self, text: str, colour: str) -> None:
        self._progress.console.print(f"[{colour}]{escape(text)}[/]")

    def phase(self, run: Run, text: str) -> None:
        """Changes the text beside the bar."""
        self._progress.update(self._task, description=escape(f"{run.name}: {text}"))

    def finished(self, run: Run, result: Result, seconds: float) -> None:
        """A line, and a step of the bar."""
        super().finished(run, result, seconds)
        self._progress.advance(self._task)

    def failed(self, run: Run, error: Exception) -> None:
        """A line, and a step of the bar."""
        super().failed(run, error)
        self._progress.advance(self._task)


@contextmanager
def reporter_for(stream: TextIO, total: int, done: int) -> Iterator[PlainReporter]:
    """The reporter that suits a stream: live at a terminal, plain elsewhere."""
    if not stream.isatty():
        yield PlainReporter(stream, total, done)
        return
    columns = (BarColumn(24), TextColumn("{task.completed:.0f}/{task.total:.0f}"), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=Console(file=stream)) as progress:
        yield LiveReporter(progress, total, done)
