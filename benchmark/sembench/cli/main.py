"""The command line of sembench: its own commands, and those that installed packages bring.

A command is a function that imports what it needs when it is called, so that `sembench --help` loads no torch. Packages
bring theirs under the entry-point group ``sembench.commands``; this module knows none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

from sembench.cli import plugins, run, show
from sembench.errors import PluginBroken, SembenchError

app = typer.Typer(
    help="The benchmark of self-explainable image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _loaded(point: EntryPoint) -> Callable[..., Any]:
    """A package's command; where it does not load, one that says so when it is called."""
    try:
        return point.load()  # type: ignore[no-any-return]
    except Exception as error:  # noqa: BLE001 - a broken package must not take the other commands along
        reason = f"{type(error).__name__}: {error}"

    def broken() -> None:
        raise PluginBroken(
            f"the command {point.name!r} is registered as {point.value} but does not load: {reason}. Repair or "
            "uninstall that package; the other commands still work."
        )

    broken.__doc__ = f"Broken: {reason}"
    return broken


# In the order in which `sembench --help` shows them.
app.command("list")(plugins.list_everything)
app.command()(plugins.inspect)
app.command()(run.run)
app.command()(show.show)
app.command()(plugins.new)
app.command()(plugins.check)
for _point in entry_points(group="sembench.commands"):
    app.command(_point.name)(_loaded(_point))


def main() -> None:
    """Runs the command line; an error of sembench becomes one line and exit status 2."""
    try:
        app()
    except SembenchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
