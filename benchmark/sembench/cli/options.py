"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

RUNS = Path("runs")
NETWORK = "NAME|FILE:FACTORY"


class Terms(StrEnum):
    """Which data may be used."""

    ANY = "any"
    OPEN = "open"


def named_suite(asked: str) -> str:
    """The name of a suite, under which its results lie: that in the file, where a file is given.

    Raises:
        SuiteInvalid: If the file cannot be read.
    """
    if not asked.endswith(".toml") and not Path(asked).is_file():
        return asked
    from sembench.suites.suite import load_suite

    return load_suite(asked).name


SuiteOption = Annotated[str, typer.Option(help="Name of a suite, or a TOML file.", metavar="NAME|FILE")]
ResultsOption = Annotated[Path, typer.Option(help="Folder of results.")]
OnlyOption = Annotated[
    str | None,
    typer.Option(
        help="Only this suite: its name, or a TOML file.",
        metavar="NAME|FILE",
        callback=lambda asked: asked if asked is None else named_suite(asked),
    ),
]
ReportsOption = Annotated[Path, typer.Option(help="Folder for the reports.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Write nothing; fail if a report is not up to date.")]
PluginOption = Annotated[
    list[str],
    typer.Option("--plugin", help="Module or file that registers plugins (repeatable).", metavar="MODULE|FILE"),
]
MeanOption = Annotated[
    tuple[float, float, float] | None,
    typer.Option(help="Mean per channel that the network wants its images with, pixels in [0, 1].", metavar="R G B"),
]
StdOption = Annotated[
    tuple[float, float, float] | None, typer.Option(help="... and standard deviation.", metavar="R G B")
]
LicenceOption = Annotated[Terms, typer.Option(help="open: leave out data sets whose licence is not free.")]
