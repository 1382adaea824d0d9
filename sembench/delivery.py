"""How generated files and what was left out reach the user."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer


def deliver(files: dict[str, bytes], out: Path, check: bool) -> None:
    """Writes generated files and names them; to check, names those that are not up to date: exit status 1 if any."""
    from leaderboard.folder import stale, write

    if not check:
        for path in write(files, out):
            typer.echo(path)
        return
    end_with(stale(files, out, say))


def end_with(old: list[str]) -> NoReturn:
    """Names the files that are not up to date, and ends the command: exit status 1 if there are any."""
    for name in old:
        say(f"stale: {name}")
    raise typer.Exit(1 if old else 0)


def say(text: str) -> None:
    """Tells the user something that is no result."""
    typer.echo(text, err=True)


def say_left_out(reasons: dict[str, str]) -> None:
    """Names the data sets that were left out, each with its licence."""
    for name, reason in reasons.items():
        say(f"left out, its licence is not free: {name} ({reason})")
