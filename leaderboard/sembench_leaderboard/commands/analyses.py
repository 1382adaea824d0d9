"""The commands that say what results mean, without torch: `claims`, `sensitivity`, `statistics`, `papers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sembench.cli.options import RUNS, CheckOption, OnlyOption, ReportsOption, ResultsOption
from sembench_leaderboard.commands.output import deliver


def claims(
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Test the papers' claims on results (Markdown, CSV, JSON): each holds, fails or is open."""
    from sembench_leaderboard.claims.page import claim_files
    from sembench_leaderboard.entries.load import load

    deliver(claim_files(load([results], suite=suite)), out, check)


def sensitivity(
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Show how measures and the order of methods change with other definitions (Markdown, CSV)."""
    from sembench_leaderboard.entries.load import load
    from sembench_leaderboard.sensitivity.page import sensitivity_files

    deliver(sensitivity_files(load([results], suite=suite)), out, check)


def statistics(
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Test differences and ranks of explainers (Markdown, CSV; diagrams as PNG, SVG)."""
    from sembench_leaderboard.comparison.page import statistics_files
    from sembench_leaderboard.entries.load import load

    deliver(statistics_files(load([results], suite=suite)), out, check)


def papers(
    paper: Annotated[list[str], typer.Option(help="kmex or posthoc (repeatable); both by default.")] = [],  # noqa: B006
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("board"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a table is not up to date.")] = False,
) -> None:
    """Fill the papers' tables with one's own results (Markdown, LaTeX): mean and spread over seeds."""
    from sembench_leaderboard.entries.load import load
    from sembench_leaderboard.papers.declared import PAPERS
    from sembench_leaderboard.papers.page import paper_files

    deliver(paper_files(load([results], suite=suite), paper or list(PAPERS)), out, check)
