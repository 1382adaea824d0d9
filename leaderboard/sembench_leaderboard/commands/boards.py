"""The commands that make boards and pages from results, without torch: `leaderboard`, `ghosting`, `report`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sembench.cli.options import RUNS, CheckOption, LicenceOption, OnlyOption, ReportsOption, ResultsOption, Terms
from sembench.cli.output import say, say_left_out
from sembench.errors import SembenchError
from sembench_leaderboard.commands.output import deliver, end_with


def leaderboard(
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: Annotated[Path, typer.Option(help="Folder for tables and charts.")] = Path("board"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the board is not up to date.")] = False,
    into: Annotated[
        list[Path] | None, typer.Option(help="Markdown file whose regions 'board: ...' show tables (repeatable).")
    ] = None,
    licence: LicenceOption = Terms.ANY,
) -> None:
    """Make tables (Markdown, CSV, LaTeX) and radar charts (PNG, SVG) from results."""
    import gc

    from sembench.files import write_atomically
    from sembench_leaderboard.board.board import check_board, write_board
    from sembench_leaderboard.entries.load import load
    from sembench_leaderboard.submission.records import standing

    gc.disable()  # a short-lived process that only adds: looking for cycles would take a fifth of its time
    found = load([results], suite=suite)
    if licence is Terms.OPEN:
        from sembench_leaderboard.entries.load import on_free_data

        found, left_out = on_free_data(found)
        say_left_out(left_out)
    trust = standing([results], found)
    if check:
        end_with(check_board(found, out, trust, say) + [str(path) for path, _ in _outdated(into or [], out)])
    for path in write_board(found, out, trust):
        typer.echo(path)
    for path, text in _outdated(into or [], out):
        write_atomically(path, text.encode())
        typer.echo(path)


def _outdated(documents: Sequence[Path], out: Path) -> Iterator[tuple[Path, str]]:
    """Documents whose regions do not show what the boards in a folder say, and what they should be."""
    from sembench_leaderboard.board.embed import fill

    def board(suite: str) -> str:
        path = out / suite / "board.md"
        if not path.is_file():
            raise SembenchError(f"there is no board of the suite {suite!r} at {path}; make it from its results first.")
        return path.read_text("utf-8")

    for path in documents:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SembenchError(f"{path} cannot be read as text: {error}") from error
        try:
            filled = fill(text, board)
        except SembenchError as error:
            raise SembenchError(f"{path}: {error}") from error
        if filled != text:
            yield path, filled


def ghosting(
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: Annotated[Path, typer.Option(help="Folder for charts and tables.")] = Path("board"),
    check: CheckOption = False,
) -> None:
    """Draw ghosted against trained prototypes (Markdown, CSV, PNG, SVG), a curve per explainer."""
    from sembench_leaderboard.entries.load import load
    from sembench_leaderboard.ghosting.page import files

    deliver(files(load([results], suite=suite)), out, check)


def report(
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    figures: Annotated[Path | None, typer.Option(help="Folder of figures (PNG, SVG) to put in.")] = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
    licence: LicenceOption = Terms.ANY,
) -> None:
    """Make one page of HTML for each suite, to be opened without a network: scores, charts, claims, costs, figures."""
    from sembench_leaderboard.entries.load import load
    from sembench_leaderboard.report.page import report_files

    found = load([results], suite=suite)
    not_free: dict[str, str] = {}
    if licence is Terms.OPEN:
        from sembench_leaderboard.entries.load import on_free_data

        found, not_free = on_free_data(found)
        say_left_out(not_free)
    files, others = report_files(found, figures, general=not not_free)
    for name, reasons in others.items():
        for path, reason in reasons.items():
            typer.echo(f"left out of the report of {name}: {path}, {reason}", err=True)
    deliver(files, out, check)
