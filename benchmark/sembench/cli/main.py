"""The command line of sembench: its own commands, and those that installed packages bring.

A command is a function that imports what it needs when it is called, so that `sembench --help` loads no torch. Packages
bring theirs under the entry-point group ``sembench.commands``; this module knows none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand

from sembench.cli import models, plugins, run, show
from sembench.errors import NameTaken, PluginBroken, SembenchError, in_one_line


class Command(TyperCommand):
    """A command that refuses an option given twice where it takes one value: else the last would win silently."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments of the command line. Raises `typer.BadParameter` for a repeated option."""
        order: list[Any] = self.make_parser(ctx).parse_args(list(args))[2]
        for given in order:
            one = given.param_type_name == "option" and not (given.multiple or given.is_flag or given.count)
            if one and order.count(given) > 1:
                name = max(given.opts, key=len)
                raise typer.BadParameter(f"{name} is given {order.count(given)} times, but takes one value.", ctx=ctx)
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="The benchmark of self-explainable image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


OWN: dict[str, Callable[..., Any] | typer.Typer] = {
    "list": plugins.list_everything, "inspect": plugins.inspect, "run": run.run, "show": show.show,
    "explain": models.explain, "save": models.save, "export": models.export, "check": plugins.check,
    "new": plugins.new,
}  # fmt: skip
"""The instrument's own commands, in the order in which `sembench --help` shows them, before those of packages."""


def _loaded(points: Sequence[EntryPoint]) -> Callable[..., Any]:
    """The command that packages bring under one name. Raises `PluginBroken` where it cannot be one."""
    claims = sorted({point.value for point in points})
    try:
        if len(claims) > 1:
            raise NameTaken("several packages claim the name")
        command: Callable[..., Any] = points[0].load()
        probe = typer.Typer()
        probe.command()(command)
        typer.main.get_command(probe)  # reads the signature, which typer would do for all commands together
    except Exception as error:
        raise PluginBroken(
            f"the command {points[0].name!r} is registered as {' and as '.join(claims)} but cannot be used: "
            f"{in_one_line(error)}. Repair or uninstall that package; the other commands still work."
        ) from error
    return command


def _refusing(error: PluginBroken) -> Callable[..., Any]:
    """A command in place of a broken one: it says why, whatever options it is called with."""

    def broken() -> None:
        raise error

    broken.__doc__ = f"Broken: {in_one_line(error.__cause__ or error)}"
    return broken


for _name, _command in OWN.items():
    if isinstance(_command, typer.Typer):
        for _part in _command.registered_commands:
            _part.cls = Command
        app.add_typer(_command, name=_name)
    else:
        app.command(_name, cls=Command)(_command)
_brought = entry_points(group="sembench.commands")
for _name in dict.fromkeys(point.name for point in _brought):
    if _name in OWN:
        typer.echo(f"note: the command {_name!r} of a package is left out: sembench has one of that name", err=True)
        continue
    try:
        app.command(_name, cls=Command)(_loaded(tuple(_brought.select(name=_name))))
    except PluginBroken as _error:
        _anything = {"ignore_unknown_options": True, "allow_extra_args": True}
        app.command(_name, cls=Command, context_settings=_anything)(_refusing(_error))


def main() -> None:
    """Runs the command line; an error of sembench becomes one line and exit status 2."""
    try:
        app()
    except SembenchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
