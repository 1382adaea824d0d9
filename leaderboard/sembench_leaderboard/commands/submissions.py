"""The commands about results for a board: `validate`, `submit`, `verify`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sembench.cli.options import RUNS, PluginOption, SuiteOption
from sembench.cli.runs import attempt, compute, pending_of, say_failed

if TYPE_CHECKING:
    from sembench.suites.plan import Run
    from sembench_leaderboard.submission.problem import Verdict

OwnSuitesOption = Annotated[list[str], typer.Option("--suite", help="File of a suite not of sembench (repeatable).")]
DataOption = Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda or mps.")]


def validate(
    folder: Annotated[Path, typer.Argument(help="Folder of results, as `sembench submit` writes it.")],
    base: Annotated[Path | None, typer.Option(help="Accepted results; those of FOLDER's entries must stay.")] = None,
    suite: OwnSuitesOption = [],  # noqa: B006
    whole: Annotated[bool, typer.Option("--whole", help="FOLDER replaces the base, and lacks no file of it.")] = False,
    allow_changes: Annotated[bool, typer.Option("--allow-changes", help="Results may change (maintainers).")] = False,
    summary: Annotated[Path | None, typer.Option(help="File that the verdict is added to as Markdown.")] = None,
) -> None:
    """Look for every reason to refuse a folder of results: offline, without torch, running nothing of it."""
    from sembench.files import writing
    from sembench.suites.suite import load_suite
    from sembench_leaderboard.submission.validate import validate

    suites = [load_suite(name) for name in suite]
    verdict = validate(folder, base=base, suites=suites, whole=whole, allow_changes=allow_changes)
    if summary is not None:
        with writing(summary), summary.open("a", encoding="utf-8") as opened:
            opened.write(verdict.markdown())
    _refuse(verdict, folder)
    for note in verdict.notes:
        typer.echo(note)
    typer.echo(f"{folder}: {len(verdict.results)} results of {len(verdict.entries)} entries, no problems found")
    if base is not None and not whole:
        typer.echo(f"Other entries of {base} may be missing here; --whole asks for all of them.")


def _refuse(verdict: Verdict, folder: Path) -> None:
    """Names every problem; exit status 1 if there is one."""
    from sembench_leaderboard.submission.problem import counted

    for problem in verdict.problems:
        typer.echo(problem, err=True)
    if verdict.problems:
        typer.echo(f"{folder}: refused, {counted(verdict.problems)}.", err=True)
        raise typer.Exit(1)


def submit(
    explainer: Annotated[list[str], typer.Argument(help="Entries to submit.")],
    suite: SuiteOption = "quick",
    plugin: PluginOption = [],  # noqa: B006
    runs: Annotated[Path, typer.Option(help="Folder that the suite is run in.")] = RUNS,
    out: Annotated[Path, typer.Option(help="Folder of the submission.")] = Path("submission"),
    data_root: DataOption = Path("data"),
    device: DeviceOption = "cpu",
    refresh: Annotated[bool, typer.Option("--refresh", help="Recompute results of other settings.")] = False,
) -> None:
    """Run a whole suite for an explainer and pack results, manifest and environment, ready for a pull request.

    What is finished in the folder of runs is not computed again, unless by another version of the source code.
    """
    from sembench.plugins.loading import load_plugins
    from sembench.suites.plan import check_names, plan
    from sembench.suites.suite import load_suite
    from sembench_leaderboard.submission.records import pack
    from sembench_leaderboard.submission.validate import validate

    load_plugins(plugin)
    asked = load_suite(suite)
    planned = plan(asked, explainers=explainer)
    check_names(planned)
    pending = pending_of(planned, runs, refresh, current=True, option="--runs")
    done = len(planned) - len(pending)
    typer.echo(f"{len(planned)} runs in {runs / asked.name}: {done} done, {len(pending)} to compute")
    if pending:
        compute(pending, runs, runs / "cache", data_root, device, total=len(planned))
    for path in pack(planned, runs, out):
        typer.echo(path)
    _refuse(validate(out, suites=[asked], new=True), out)
    typer.echo(f"Ready: add the files of {out} to leaderboard/results in a pull request.")


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of results.")],
    runs: Annotated[int, typer.Option(help="Number of runs to draw by lot.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the draw.", min=0)] = 0,
    run: Annotated[list[str], typer.Option(help="This run, suite/data set/entry/seed-n (repeatable).")] = [],  # noqa: B006
    mark: Annotated[bool, typer.Option("--mark", help="Write beside the results which of them were verified.")] = False,
    suite: OwnSuitesOption = [],  # noqa: B006
    plugin: PluginOption = [],  # noqa: B006
    data_root: DataOption = Path("data"),
    device: DeviceOption = "cpu",
) -> None:
    """Compute some runs of a folder of results again, from nothing, and compare within stated tolerances.

    Unlike `validate` this runs the explainers that the results name: install only what you trust.
    """
    from sembench.plugins.loading import load_plugins
    from sembench.suites.suite import load_suite
    from sembench_leaderboard.submission.records import write_marks
    from sembench_leaderboard.submission.validate import validate
    from sembench_leaderboard.submission.verify import choose, lines, verify

    load_plugins(plugin)
    verdict = validate(folder, suites=[load_suite(name) for name in suite])
    _refuse(verdict, folder)
    for note in verdict.notes:
        typer.echo(note)
    current = [path for path in verdict.results if path not in verdict.old]  # the old ones would not come out again
    chosen = choose(verdict.results if run else current, count=runs, seed=seed, named=run)
    typer.echo(f"{len(chosen)} of {len(verdict.results)} runs, " + ("as named" if run else f"drawn with seed {seed}"))
    found = verify(verdict.results, chosen, lambda asked, fresh: _computed(asked, fresh, data_root, device))
    for path, agreement in found.agreements.items():
        typer.echo("\n".join(lines(path, agreement)))
    for written in write_marks(folder, found.marks) if mark else []:
        typer.echo(written)
    typer.echo(found, err=not found.agree)
    raise typer.Exit(0 if found.agree else 1)


def _computed(runs: list[Run], fresh: Path, data_root: Path, device: str) -> Mapping[str, BaseException]:
    """Computes runs into a folder that goes afterwards, so that errors are shown in full; returns them by run."""
    import traceback

    summary = attempt(runs, fresh, fresh / "cache", data_root, device, total=len(runs))
    if summary.failed:
        say_failed(summary, len(runs))
    for name, error in summary.failed.items():
        typer.echo(f"\n{name}:\n{''.join(traceback.format_exception(error))}", err=True)
    return summary.failed
