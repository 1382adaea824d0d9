"""How generated files reach the user: written, or checked."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer

from sembench.cli.output import say


def deliver(files: dict[str, bytes], out: Path, check: bool) -> None:
    """Writes generated files and names them; to check, names those that are not up to date: exit status 1 if any."""
    from sembench_leaderboard.files import stale, write

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
