"""Runs from the command line: those of a plan that are pending, made with progress and messages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sembench.running.runner import Summary
    from sembench.suites.plan import Run


def pending_of(runs: list[Run], out: Path, refresh: bool, *, current: bool = False, option: str = "--out") -> list[Run]:
    """The runs that have to be made.

    With ``refresh`` results of other settings or source code are computed again, with ``current`` those of other source
    code; ``option`` is the command's option for the folder.

    Raises:
        ResultStale: If a result of other settings would be lost.
    """
    from sembench.errors import ResultDamaged, ResultStale
    from sembench.suites.plan import status

    pending, stale, older = [], [], []
    for run in runs:
        try:
            state, result = status(run, out)
        except ResultDamaged as error:
            typer.echo(f"note: {error} It is computed again.", err=True)
            state, result = "missing", None
        outdated = result is not None and result.provenance.sources != run.sources
        if state == "stale":
            stale.append(run)
        elif outdated:
            older.append(run)
        if state == "missing" or (refresh and state == "stale") or ((refresh or current) and outdated):
            pending.append(run)
    if stale and not refresh:
        raise ResultStale(
            f"{len(stale)} results in {out} were computed with other settings, the first is {stale[0].path(out)}. "
            f"Use another {option} to keep them, or --refresh to compute them again."
        )
    if older and not (refresh or current):
        typer.echo(
            f"note: {len(older)} results were computed by another version of the source code, the first is "
            f"{older[0].path(out)}; --refresh computes them again.",
            err=True,
        )
    return pending


def compute(pending: list[Run], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> None:
    """Makes runs; an interruption or a failure is reported and ends the command."""
    summary = attempt(pending, out, cache, data_root, device, total=total)
    if summary.failed:
        say_failed(summary, len(pending))
        typer.echo("The tracebacks stand beside the results, in seed-<n>.error.txt.", err=True)
        raise typer.Exit(1)


def attempt(pending: list[Run], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> Summary:
    """Makes runs and returns the summary; an interruption is reported and ends the command."""
    typer.echo("loading torch ...")
    from sembench.running.cache import Cache
    from sembench.running.progress import reporter_for
    from sembench.running.runner import Runner

    try:
        with reporter_for(sys.stdout, total, total - len(pending)) as reporter:
            return Runner(out, Cache(cache), data_root, device, reporter).run(pending)
    except KeyboardInterrupt:
        typer.echo("stopped; what is finished is kept. The same command goes on from here.", err=True)
        raise typer.Exit(130) from None


def say_failed(summary: Summary, asked: int) -> None:
    """Names the runs that failed, each with its reason, and how many were asked for."""
    from sembench.running.progress import reason_of

    typer.echo(f"{len(summary.failed)} of {asked} runs failed:", err=True)
    for name, error in summary.failed.items():
        typer.echo(f"  {name}: {reason_of(error)}", err=True)
