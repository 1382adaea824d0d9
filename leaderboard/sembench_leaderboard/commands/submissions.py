"""The commands about results for a board: `validate`, `submit`, `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sembench.cli.cells import attempt, compute, pending_of, say_failed
from sembench.cli.options import RUNS, PluginOption, SuiteOption

if TYPE_CHECKING:
    from sembench_leaderboard.submission.validate import Verdict


def validate(
    folder: Annotated[Path, typer.Argument(help="Folder of results, as `sembench submit` writes it.")],
    base: Annotated[
        Path | None, typer.Option(help="Accepted results: none of an entry that FOLDER holds may change or go.")
    ] = None,
    suite: Annotated[list[str], typer.Option(help="File of a suite that is not sembench's (repeatable).")] = [],  # noqa: B006
    whole: Annotated[
        bool, typer.Option("--whole", help="FOLDER takes the base's place: no file of the base may be missing.")
    ] = False,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="For maintainers: results may change or go.")
    ] = False,
    summary: Annotated[Path | None, typer.Option(help="File that the verdict is added to as Markdown.")] = None,
) -> None:
    """Look for every reason to refuse a folder of results: offline, without torch, running nothing of it."""
    from sembench.suites.suite import load_suite
    from sembench_leaderboard.submission.validate import validate

    suites = [load_suite(name) for name in suite]
    verdict = validate(folder, base=base, suites=suites, whole=whole, allow_changes=allow_changes)
    if summary is not None:
        _summarise(verdict, base, summary)
    _refuse(verdict, folder)
    typer.echo(f"{folder}: {len(verdict.results)} results of {len(verdict.entries)} entries, nothing to complain of")
    if base is not None and not whole:
        typer.echo(f"Other entries of {base} may be missing here; --whole asks for all of them.")


def _summarise(verdict: Verdict, base: Path | None, file: Path) -> None:
    """Adds the verdict to a file, which may hold other summaries already."""
    from sembench.files import writing
    from sembench_leaderboard.submission.summary import summary

    places = base.glob("*/*/*/seed-*.json") if base is not None else ()
    accepted = frozenset(f"{path.parts[-4]}/{path.parts[-2]}" for path in places)
    with writing(file), file.open("a", encoding="utf-8") as opened:
        opened.write(summary(verdict, accepted))


def _refuse(verdict: Verdict, folder: Path) -> None:
    """Names every complaint; exit status 1 if there is one."""
    for complaint in verdict.complaints:
        typer.echo(complaint, err=True)
    if verdict.complaints:
        typer.echo(f"{folder}: refused, {len(verdict.complaints)} complaints.", err=True)
        raise typer.Exit(1)


def submit(
    explainer: Annotated[list[str], typer.Argument(help="Entries to submit.")],
    suite: SuiteOption = "quick",
    plugin: PluginOption = [],  # noqa: B006
    runs: Annotated[Path, typer.Option(help="Folder that the suite is run in.")] = RUNS,
    out: Annotated[Path, typer.Option(help="Folder of the submission.")] = Path("submission"),
    data_root: Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")] = Path("data"),
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    refresh: Annotated[bool, typer.Option("--refresh", help="Recompute results of other settings.")] = False,
) -> None:
    """Run a whole suite for an explainer and pack results, manifest and environment, ready for a pull request.

    What is finished in the folder of runs is not computed again, unless by another version of the source code.
    """
    from sembench.plugins.loading import load_plugins
    from sembench.plugins.registry import EXPLAINERS
    from sembench.suites.plan import check_names, plan
    from sembench.suites.suite import load_suite
    from sembench_leaderboard.submission.manifest import pack
    from sembench_leaderboard.submission.validate import validate

    load_plugins(plugin)
    asked = load_suite(suite)
    cells = plan(asked, explainers=explainer)
    check_names(cells)
    pending = pending_of(cells, runs, refresh, current=True, option="--runs")
    typer.echo(f"{len(cells)} cells in {runs / asked.name}: {len(cells) - len(pending)} done, {len(pending)} to run")
    if pending:
        compute(pending, runs, runs / "cache", data_root, device, total=len(cells))
    origins = {cell.entry: EXPLAINERS.origin(cell.named("explainer")) for cell in cells}
    for path in pack(cells, runs, out, origins):
        typer.echo(path)
    _refuse(validate(out, suites=[asked]), out)
    typer.echo(f"Ready: add the files of {out} to leaderboard/results in a pull request.")


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of results.")],
    cells: Annotated[int, typer.Option(help="So many cells, drawn by lot.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the draw.", min=0)] = 0,
    cell: Annotated[list[str], typer.Option(help="This cell, suite/data set/entry/seed-n (repeatable).")] = [],  # noqa: B006
    mark: Annotated[bool, typer.Option("--mark", help="Write what was verified beside the results.")] = False,
    suite: Annotated[list[str], typer.Option(help="File of a suite that is not sembench's (repeatable).")] = [],  # noqa: B006
    plugin: PluginOption = [],  # noqa: B006
    data_root: Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")] = Path("data"),
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
) -> None:
    """Compute some cells of a folder of results again, from nothing, and compare within stated tolerances.

    Unlike `validate` this runs the explainers that the results name: install only what you trust.
    """
    import tempfile
    import traceback

    from sembench.plugins.loading import load_plugins
    from sembench.results.result import read_result
    from sembench.suites.plan import cell_of, check_names
    from sembench.suites.suite import load_suite
    from sembench_leaderboard.submission.agreement import compare
    from sembench_leaderboard.submission.marks import write_marks
    from sembench_leaderboard.submission.validate import validate
    from sembench_leaderboard.submission.verify import choose, lines, recomputed

    load_plugins(plugin)
    verdict = validate(folder, suites=[load_suite(name) for name in suite])
    _refuse(verdict, folder)
    chosen = choose(verdict.results, count=cells, seed=seed, named=cell)
    asked = [cell_of(verdict.results[path]) for path in chosen]
    check_names(asked)
    typer.echo(f"{len(chosen)} of {len(verdict.results)} cells, " + ("as named" if cell else f"drawn with seed {seed}"))
    with tempfile.TemporaryDirectory() as fresh:
        summary = attempt(asked, Path(fresh), Path(fresh, "cache"), data_root, device, total=len(asked))
        again = {
            path: read_result(one.path(Path(fresh)))
            for path, one in zip(chosen, asked, strict=True)
            if one.name not in summary.failed
        }
    if summary.failed:
        say_failed(summary, len(asked))
    for name, error in summary.failed.items():  # the folder that held the tracebacks is gone
        typer.echo(f"\n{name}:\n{''.join(traceback.format_exception(error))}", err=True)
    agreements = {path: compare(verdict.results[path], result) for path, result in again.items()}
    for path, agreement in agreements.items():
        typer.echo("\n".join(lines(path, agreement)))
    wrong = {path for path, agreement in agreements.items() if agreement.wrong}
    doubtful = {(path.parts[0], path.parts[2]) for path in wrong}
    agreed = {
        path: recomputed(agreement, again[path])
        for path, agreement in agreements.items()
        if (path.parts[0], path.parts[2]) not in doubtful
    }
    for written in write_marks(folder, agreed) if mark else []:
        typer.echo(written)
    bad = bool(wrong or summary.failed)
    missed = f", {len(summary.failed)} could not be recomputed" if summary.failed else ""
    typer.echo(f"{len(agreements) - len(wrong)} of {len(asked)} cells agree{missed}", err=bad)
    raise typer.Exit(1 if bad else 0)
