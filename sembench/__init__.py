"""The command line of sembench: run a suite, read its results. Loads torch only where something is computed.

Every command is a function in one of the files beside this one, and imports what it needs when it is called.
`run --licence open` loads torch too, since data sets declare their licences in their own modules.
"""

from __future__ import annotations

import sys

import typer

from sembench import boards, findings, looking, plugins, running, submissions

app = typer.Typer(
    help="The benchmark of self-explainable image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# In the order in which `sembench --help` shows them.
app.command("list")(plugins.list_everything)
app.command()(plugins.inspect)
app.command()(running.run)
app.command()(boards.leaderboard)
app.command()(boards.ghosting)
app.command()(findings.claims)
app.command()(boards.report)
app.command()(findings.sensitivity)
app.command()(findings.statistics)
app.command()(findings.papers)
app.command()(looking.show)
app.command()(plugins.new)
app.command()(plugins.check)
app.command()(submissions.validate)
app.command()(submissions.submit)
app.command()(submissions.verify)


def main() -> None:
    """Entry point: an error of ours becomes one line and exit status 2."""
    from benchmark.errors import SembenchError

    try:
        app()
    except SembenchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
