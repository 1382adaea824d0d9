"""Which cells of a plan have to run? And what is said while they do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sembench.running.runner import Summary
    from sembench.suites.plan import Cell


def pending_of(
    cells: list[Cell], out: Path, refresh: bool, *, current: bool = False, option: str = "--out"
) -> list[Cell]:
    """The cells that have to run.

    Args:
        cells: All cells.
        out: Folder of results.
        refresh: Whether results of other settings or source code are computed again.
        current: Whether those of other source code are, in any case.
        option: What the command calls the folder.

    Raises:
        ResultStale: If a result of other settings would be lost.
    """
    from sembench.errors import ResultDamaged, ResultStale
    from sembench.suites.plan import sources, status

    pending, stale, older = [], [], []
    for cell in cells:
        try:
            state, result = status(cell, out)
        except ResultDamaged as error:
            typer.echo(f"note: {error} It is computed again.", err=True)
            state, result = "missing", None
        outdated = result is not None and result.provenance.sources != sources(cell)
        if state == "stale":
            stale.append(cell)
        elif outdated:
            older.append(cell)
        if state == "missing" or (refresh and state == "stale") or ((refresh or current) and outdated):
            pending.append(cell)
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


def compute(pending: list[Cell], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> None:
    """Runs cells; an interruption or a failure is reported and ends the command."""
    summary = attempt(pending, out, cache, data_root, device, total=total)
    if summary.failed:
        say_failed(summary, len(pending))
        typer.echo("The tracebacks stand beside the results, in seed-<n>.error.txt.", err=True)
        raise typer.Exit(1)


def attempt(pending: list[Cell], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> Summary:
    """Runs cells and tells how that went; an interruption is reported and ends the command."""
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
    """Names the cells that failed, of so many that were asked for, each with its reason."""
    from sembench.running.progress import reason_of

    typer.echo(f"{len(summary.failed)} of {asked} cells failed:", err=True)
    for name, error in summary.failed.items():
        typer.echo(f"  {name}: {reason_of(error)}", err=True)
