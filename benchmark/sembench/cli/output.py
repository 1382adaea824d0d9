"""Messages of commands, on standard error."""

from __future__ import annotations

import typer


def say(text: str) -> None:
    """Prints a message on standard error."""
    typer.echo(text, err=True)


def say_left_out(reasons: dict[str, str]) -> None:
    """Names the data sets that were left out, each with its licence."""
    for name, reason in reasons.items():
        say(f"left out, its licence is not free: {name} ({reason})")
