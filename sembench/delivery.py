"""How generated files and what was left out reach the user."""

from __future__ import annotations

from pathlib import Path

import typer


def deliver(files: dict[str, bytes], out: Path, check: bool) -> None:
    """Writes generated files and names them; to check, names those that are not up to date: exit status 1 if any."""
    from leaderboard.folder import stale, write

    if not check:
        for path in write(files, out):
            typer.echo(path)
        return
    old = stale(files, out, lambda text: typer.echo(text, err=True))
    for name in old:
        typer.echo(f"stale: {name}", err=True)
    raise typer.Exit(1 if old else 0)


def say_left_out(reasons: dict[str, str]) -> None:
    """Names the data sets that were left out, each with its licence."""
    for name, reason in reasons.items():
        typer.echo(f"left out, its licence is not free: {name} ({reason})", err=True)
