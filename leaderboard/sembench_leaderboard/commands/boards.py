"""The commands that make boards and pages from results, without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sembench.cli.options import RUNS, CheckOption, LicenceOption, OnlyOption, ReportsOption, ResultsOption, Terms
from sembench.cli.output import say, say_left_out
from sembench.errors import SembenchError

if TYPE_CHECKING:
    from sembench.results.result import Result


def _deliver(files: dict[str, bytes], out: Path, check: bool) -> None:
    """Writes generated files and names them; to check, names those that are not up to date: exit status 1 if any."""
    from sembench_leaderboard.files import stale, write

    if check:
        _end_with(stale(files, out, say))
    for path in write(files, out):
        typer.echo(path)


def _end_with(old: list[str]) -> NoReturn:
    """Names the files that are not up to date, and ends the command: exit status 1 if there are any."""
    for name in old:
        say(f"stale: {name}")
    raise typer.Exit(1 if old else 0)


def _pages(factory: str, about: str) -> Callable[..., None]:
    """A command that delivers the files that ``module:function`` makes of results."""

    def command(
        results: ResultsOption = RUNS,
        suite: OnlyOption = None,
        out: ReportsOption = Path("board"),
        check: CheckOption = False,
    ) -> None:
        from sembench_leaderboard.entries.load import load

        module, function = factory.split(":")
        make = getattr(import_module(f"sembench_leaderboard.{module}"), function)
        _deliver(make(load([results], suite=suite)), out, check)

    command.__doc__ = about
    return command


claims = _pages(
    "claims.page:claim_files", "Test the papers' claims on results (Markdown, CSV, JSON): each holds, fails or is open."
)
sensitivity = _pages(
    "sensitivity.page:sensitivity_files",
    "Show how measures and the order of methods change with other definitions (Markdown, CSV).",
)
statistics = _pages(
    "comparison.page:statistics_files",
    "Test differences and ranks of explainers (Markdown, CSV; diagrams as PNG, SVG).",
)
prototypes = _pages(
    "prototypes.page:files",
    "Draw ghosts, captured attributes and their correlations against numbers of prototypes (Markdown, CSV, PNG, SVG).",
)


def papers(
    paper: Annotated[list[str], typer.Option(help="kmex or posthoc (repeatable); both by default.")] = [],  # noqa: B006
    results: ResultsOption = RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Fill the papers' tables with one's own results (Markdown, LaTeX): mean and spread over seeds."""
    from sembench_leaderboard.entries.load import load
    from sembench_leaderboard.papers.declared import PAPERS
    from sembench_leaderboard.papers.page import paper_files

    _deliver(paper_files(load([results], suite=suite), paper or list(PAPERS)), out, check)


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
    found, _ = _under(licence, load([results], suite=suite))
    trust = standing([results], found)
    if check:
        _end_with(check_board(found, out, trust, say) + [str(path) for path, _ in _outdated(into or [], out)])
    for path in write_board(found, out, trust):
        typer.echo(path)
    for path, text in _outdated(into or [], out):
        write_atomically(path, text.encode())
        typer.echo(path)


def _under(licence: Terms, results: list[Result]) -> tuple[list[Result], dict[str, str]]:
    """The results on data under these terms; and why other data sets are left out, which is said, too."""
    from sembench_leaderboard.entries.load import on_free_data

    if licence is not Terms.OPEN:
        return results, {}
    kept, left_out = on_free_data(results)
    say_left_out(left_out)
    return kept, left_out


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

    found, not_free = _under(licence, load([results], suite=suite))
    files, others = report_files(found, figures, general=not not_free)
    for name, reasons in others.items():
        for path, reason in reasons.items():
            typer.echo(f"left out of the report of {name}: {path}, {reason}", err=True)
    _deliver(files, out, check)
