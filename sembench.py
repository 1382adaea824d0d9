"""The command line of sembench: run a suite, read its results. Loads torch only where something is computed.

`run --licence open` loads it too, since data sets declare their licences in their own modules.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.plugins import load_plugins

if TYPE_CHECKING:
    from benchmark.plan import Cell
    from benchmark.suite import Suite
    from leaderboard.submission.validate import Verdict

app = typer.Typer(
    help="The benchmark of self-explainable image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_RUNS = Path("runs")
_NETWORK = "NAME|MODULE:FACTORY"


class Terms(StrEnum):
    """Which data may be used."""

    ANY = "any"
    OPEN = "open"


class Shown(StrEnum):
    """Which figures there are."""

    PROTOTYPES = "prototypes"
    LOOKS_LIKE = "looks-like"
    RELEVANCE = "relevance"
    CONCEPTS = "concepts"
    EMBEDDING = "embedding"
    CURVES = "curves"
    ABLATIONS = "ablations"


SuiteOption = Annotated[str, typer.Option(help="Name of a suite, or a TOML file.", metavar="NAME|FILE")]
ResultsOption = Annotated[Path, typer.Option(help="Folder of results.")]
OnlyOption = Annotated[str | None, typer.Option(help="Only this suite.")]
ReportsOption = Annotated[Path, typer.Option(help="Folder for the reports.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Write nothing; fail if a report is not up to date.")]
PluginOption = Annotated[
    list[str],
    typer.Option("--plugin", help="Module or file that registers plugins (repeatable).", metavar="MODULE|FILE"),
]
LicenceOption = Annotated[Terms, typer.Option(help="open: leave out data sets whose licence is not free.")]


@app.command("list")
def list_everything(plugin: PluginOption = []) -> None:  # noqa: B006
    """Show the explainers, data sets, metrics, backbones and suites that are there."""
    load_plugins(plugin)
    from benchmark.registry import BACKBONES, DATASETS, EXPLAINERS, METRICS
    from benchmark.suite import load_suite, suite_names

    for registry in (EXPLAINERS, DATASETS, METRICS, BACKBONES):
        typer.echo(f"{registry.kind}s")
        for name in registry.names():
            typer.echo(f"  {name:<22}{registry.origin(name)}")
    typer.echo("suites")
    for name in suite_names():
        typer.echo(f"  {name:<22}{load_suite(name).title}")


@app.command()
def inspect(
    network: Annotated[str, typer.Argument(metavar=_NETWORK)],
    weights: Annotated[str, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = "none",
    image_size: Annotated[int, typer.Option(help="Height and width of the images, pixels.", min=1)] = 224,
    block: Annotated[list[str], typer.Option(help="A submodule that a block ends with (repeatable).")] = [],  # noqa: B006
    classes: Annotated[int | None, typer.Option(help="Classes of the data set, if others.", min=1)] = None,
) -> None:
    """Check which explainers and metrics fit a network, and say why where they do not."""
    from benchmark.inspection import inspect_network

    for line in inspect_network(network, weights=weights, image_size=image_size, blocks=block, n_classes=classes):
        typer.echo(line)


@app.command()
def run(
    suite: SuiteOption = "quick",
    explainer: Annotated[list[str], typer.Option(help="Run only this entry (repeatable).")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option(help="Run only on this data set (repeatable).")] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="Run only this seed (repeatable).", min=0)] = [],  # noqa: B006
    backbone: Annotated[str | None, typer.Option(help="Explain this network instead.", metavar=_NETWORK)] = None,
    weights: Annotated[str | None, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = None,
    block: Annotated[list[str], typer.Option(help="A submodule that a block ends with (repeatable).")] = [],  # noqa: B006
    frozen: Annotated[bool, typer.Option("--frozen", help="Explain the network as it comes, do not train it.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Train black boxes for so many epochs instead.", min=0)] = None,
    variants: Annotated[bool, typer.Option("--variants", help="Compute the metrics' variants too.")] = False,
    batch_size: Annotated[int | None, typer.Option(help="Images per forward pass of the evaluation.", min=1)] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    out: ResultsOption = _RUNS,
    cache: Annotated[Path | None, typer.Option(help="Folder of trained models.", show_default="OUT/cache")] = None,
    data_root: Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")] = Path("data"),
    refresh: Annotated[bool, typer.Option("--refresh", help="Recompute results of other settings or code.")] = False,
    licence: LicenceOption = Terms.ANY,
    plugin: PluginOption = [],  # noqa: B006
    download: Annotated[bool, typer.Option("--download", help="Fetch missing data from its publishers.")] = False,
) -> None:
    """Compute what is missing of a suite, one result file per explainer, data set and seed.

    Killed at any moment and started again, it goes on where it was.
    """
    from benchmark.plan import check_names, plan
    from benchmark.suite import load_suite

    load_plugins(plugin)
    wanted = _overridden(load_suite(suite), epochs=epochs, variants=variants, batch_size=batch_size)
    wanted = _with_backbone(wanted, name=backbone, weights=weights, blocks=block, frozen=frozen)
    cells = plan(wanted, explainers=explainer, datasets=dataset, seeds=seed)
    if licence is Terms.OPEN:
        cells = _on_free_data(cells)
    pending = _pending(cells, out, refresh)
    done = len(cells) - len(pending)
    typer.echo(f"{len(cells)} cells in {out / wanted.name}: {done} done, {len(pending)} to run")
    if not pending:
        return
    check_names(pending)
    if download:
        from benchmark.acquisition import fetch

        typer.echo("loading torch ...")
        fetch(pending, data_root, typer.echo)
    _compute(pending, out, cache or out / "cache", data_root, device, total=len(cells))


def _compute(pending: list[Cell], out: Path, cache: Path, data_root: Path, device: str, *, total: int) -> None:
    """Runs cells; an interruption or a failure is reported and ends the command."""
    typer.echo("loading torch ...")
    from benchmark.cache import Cache
    from benchmark.progress import reason_of, reporter_for
    from benchmark.runner import Runner

    try:
        with reporter_for(sys.stdout, total, total - len(pending)) as reporter:
            summary = Runner(out, Cache(cache), data_root, device, reporter).run(pending)
    except KeyboardInterrupt:
        typer.echo("stopped; what is finished is kept. The same command goes on from here.", err=True)
        raise typer.Exit(130) from None
    if summary.failed:
        typer.echo(f"{len(summary.failed)} of {len(pending)} cells failed:", err=True)
        for name, error in summary.failed.items():
            typer.echo(f"  {name}: {reason_of(error)}", err=True)
        typer.echo("The tracebacks stand beside the results, in seed-<n>.error.txt.", err=True)
        raise typer.Exit(1)


@app.command()
def leaderboard(
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    out: Annotated[Path, typer.Option(help="Folder for tables and charts.")] = Path("board"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the board is not up to date.")] = False,
    licence: LicenceOption = Terms.ANY,
) -> None:
    """Make tables (Markdown, CSV, LaTeX) and radar charts (PNG, SVG) from results."""
    import gc

    from leaderboard.board import check_board, write_board
    from leaderboard.load import load
    from leaderboard.submission.marks import standing

    gc.disable()  # a short-lived process that only adds: looking for cycles would take a fifth of its time
    found = load([results], suite=suite)
    if licence is Terms.OPEN:
        from leaderboard.licence import on_free_data

        found, left_out = on_free_data(found)
        _say_left_out(left_out)
    trust = standing([results], found)
    if check:
        stale = check_board(found, out, trust, lambda text: typer.echo(text, err=True))
        for name in stale:
            typer.echo(f"stale: {name}", err=True)
        raise typer.Exit(1 if stale else 0)
    for path in write_board(found, out, trust):
        typer.echo(path)


@app.command()
def ghosting(
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    out: Annotated[Path, typer.Option(help="Folder for charts and tables.")] = Path("board"),
) -> None:
    """Draw ghosted against trained prototypes (Markdown, CSV, PNG, SVG), a curve per explainer."""
    from leaderboard.ghosting_page import write_ghosting
    from leaderboard.load import load

    for path in write_ghosting(load([results], suite=suite), out):
        typer.echo(path)


@app.command()
def claims(
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Test the papers' claims on results (Markdown, CSV, JSON): each holds, fails or is open."""
    from leaderboard.claims_page import claim_files
    from leaderboard.load import load

    _deliver(claim_files(load([results], suite=suite)), out, check)


@app.command()
def report(
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    figures: Annotated[Path | None, typer.Option(help="Folder of figures (PNG, SVG) to put in.")] = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
    licence: LicenceOption = Terms.ANY,
) -> None:
    """Make one page of HTML for each suite, to be opened without a network: scores, charts, claims, costs, figures."""
    from leaderboard.load import load
    from leaderboard.report_page import report_files

    found = load([results], suite=suite)
    not_free: dict[str, str] = {}
    if licence is Terms.OPEN:
        from leaderboard.licence import on_free_data

        found, not_free = on_free_data(found)
        _say_left_out(not_free)
    files, others = report_files(found, figures, general=not not_free)
    for name, reasons in others.items():
        for path, reason in reasons.items():
            typer.echo(f"left out of the report of {name}: {path}, {reason}", err=True)
    _deliver(files, out, check)


@app.command()
def sensitivity(
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Show how measures and the order of methods change with other definitions (Markdown, CSV)."""
    from leaderboard.load import load
    from leaderboard.sensitivity_page import sensitivity_files

    _deliver(sensitivity_files(load([results], suite=suite)), out, check)


@app.command()
def statistics(
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    out: ReportsOption = Path("board"),
    check: CheckOption = False,
) -> None:
    """Test differences and ranks of explainers (Markdown, CSV; diagrams as PNG, SVG)."""
    from leaderboard.load import load
    from leaderboard.statistics_page import statistics_files

    _deliver(statistics_files(load([results], suite=suite)), out, check)


@app.command()
def papers(
    paper: Annotated[list[str], typer.Option(help="kmex or posthoc (repeatable); both by default.")] = [],  # noqa: B006
    results: ResultsOption = _RUNS,
    suite: OnlyOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("board"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a table is not up to date.")] = False,
) -> None:
    """Fill the papers' tables with one's own results (Markdown, LaTeX): mean and spread over seeds."""
    from leaderboard.load import load
    from leaderboard.paper_tables import PAPERS
    from leaderboard.papers_page import paper_files

    _deliver(paper_files(load([results], suite=suite), paper or list(PAPERS)), out, check)


@app.command()
def show(
    figure: Annotated[Shown, typer.Argument(help="Which figure.")],
    suite: SuiteOption = "quick",
    explainer: Annotated[list[str], typer.Option(help="Show this entry (repeatable); all by default.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option(help="Only on this data set (repeatable).")] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="This seed (repeatable); the first by default.", min=0)] = [],  # noqa: B006
    image: Annotated[list[int], typer.Option(help="Show this test image (repeatable).", min=0)] = [],  # noqa: B006
    count: Annotated[int | None, typer.Option(help="How many images, prototypes or points to show.", min=1)] = None,
    label: Annotated[list[int], typer.Option(help="prototypes: only of this class (repeatable).", min=0)] = [],  # noqa: B006
    projection: Annotated[str | None, typer.Option(help="embedding: umap or pca.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of results, with its cache.")] = _RUNS,
    cache: Annotated[Path | None, typer.Option(help="Folder of models.", show_default="RESULTS/cache")] = None,
    data_root: Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")] = Path("data"),
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    out: Annotated[Path, typer.Option(help="Folder for pictures.")] = Path("figures"),
) -> None:
    """Draw what models say (PNG, SVG). A model that is not in the cache is trained and fitted first.

    curves and ablations are drawn from results alone, all seeds together.
    """
    if figure in (Shown.CURVES, Shown.ABLATIONS):
        from leaderboard.figures import figure_files
        from leaderboard.folder import write
        from leaderboard.load import load

        for path in write(figure_files(figure.value, load([results], suite=suite), explainer, dataset), out):
            typer.echo(path)
        return
    from benchmark.plan import check_names, plan
    from benchmark.suite import load_suite

    cells = plan(load_suite(suite), explainers=explainer, datasets=dataset, seeds=seed)
    check_names(cells)
    typer.echo("loading torch ...")
    from benchmark.gallery import Gallery

    amount = "nearest" if figure is Shown.PROTOTYPES else "count"
    options = {"images": image or None, amount: count, "classes": label or None, "method": projection}
    given = {name: value for name, value in options.items() if value is not None}
    gallery = Gallery(cache or results / "cache", data_root, device, out, typer.echo)
    apart = figure is Shown.PROTOTYPES and not explainer
    if not gallery.show(figure.value, cells, every_seed=bool(seed), apart=apart, **given):
        raise typer.Exit(1)


class Kind(StrEnum):
    """What a new plugin may be."""

    EXPLAINER = "explainer"


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="explainer")],
    name: Annotated[str, typer.Argument(help="Its name, in lower case with hyphens.")],
    folder: Annotated[Path, typer.Option("--in", help="Where its folder goes.")] = Path(),
) -> None:
    """Write a small package for a method of your own, which works at once."""
    from benchmark.scaffold import new_explainer

    for path in new_explainer(name, folder):
        typer.echo(path)
    typer.echo(f"Next: cd {folder / name}, and see its README.md")


@app.command()
def check(
    explainer: Annotated[list[str], typer.Argument(help="Explainers to check.")],
    plugin: PluginOption = [],  # noqa: B006
) -> None:
    """Check that an explainer keeps every promise that a board relies on, on a few hundred digits."""
    from benchmark.registry import EXPLAINERS

    load_plugins(plugin)
    for name in explainer:
        EXPLAINERS.require(name)
    typer.echo("loading torch ...")
    from benchmark.conformance.report import examine, lines
    from benchmark.recipes import recipe
    from benchmark.testing import digits_case

    broken = False
    for name in explainer:
        outcomes = examine(recipe(name, {}, "digits"), digits_case())
        typer.echo("\n".join([name, *lines(outcomes)]))
        broken = broken or any(outcome.state == "broken" for outcome in outcomes)
    raise typer.Exit(1 if broken else 0)


@app.command()
def validate(
    folder: Annotated[Path, typer.Argument(help="Folder of results, as `sembench submit` writes it.")],
    base: Annotated[Path | None, typer.Option(help="Accepted results: none may change or go.")] = None,
    suite: Annotated[list[str], typer.Option(help="File of a suite that is not sembench's (repeatable).")] = [],  # noqa: B006
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="For maintainers: results may change.")
    ] = False,
) -> None:
    """Look for every reason to refuse a folder of results: offline, without torch, running nothing of it."""
    from benchmark.suite import load_suite
    from leaderboard.submission.validate import validate

    verdict = validate(folder, base=base, suites=[load_suite(name) for name in suite], allow_changes=allow_changes)
    _refuse(verdict, folder)
    typer.echo(f"{folder}: {len(verdict.results)} results of {len(verdict.entries)} entries, nothing to complain of")


def _refuse(verdict: Verdict, folder: Path) -> None:
    """Names every complaint; exit status 1 if there is one."""
    for complaint in verdict.complaints:
        typer.echo(complaint, err=True)
    if verdict.complaints:
        typer.echo(f"{folder}: refused, {len(verdict.complaints)} complaints.", err=True)
        raise typer.Exit(1)


@app.command()
def submit(
    explainer: Annotated[list[str], typer.Argument(help="Entries to submit.")],
    suite: SuiteOption = "quick",
    plugin: PluginOption = [],  # noqa: B006
    runs: Annotated[Path, typer.Option(help="Folder that the suite is run in.")] = _RUNS,
    out: Annotated[Path, typer.Option(help="Folder of the submission.")] = Path("submission"),
    data_root: Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")] = Path("data"),
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    refresh: Annotated[bool, typer.Option("--refresh", help="Recompute results of other settings.")] = False,
) -> None:
    """Run a whole suite for an explainer and pack results, manifest and environment, ready for a pull request.

    What is finished in the folder of runs is not computed again, unless by another version of the source code.
    """
    from benchmark.plan import check_names, plan
    from benchmark.registry import EXPLAINERS
    from benchmark.suite import load_suite
    from leaderboard.submission.packing import pack
    from leaderboard.submission.validate import validate

    load_plugins(plugin)
    asked = load_suite(suite)
    cells = plan(asked, explainers=explainer)
    check_names(cells)
    pending = _pending(cells, runs, refresh, current=True)
    typer.echo(f"{len(cells)} cells in {runs / asked.name}: {len(cells) - len(pending)} done, {len(pending)} to run")
    if pending:
        _compute(pending, runs, runs / "cache", data_root, device, total=len(cells))
    origins = {cell.entry: EXPLAINERS.origin(cell.named("explainer")) for cell in cells}
    for path in pack(cells, runs, out, origins):
        typer.echo(path)
    _refuse(validate(out, suites=[asked]), out)
    typer.echo(f"Ready: add the files of {out} to leaderboard/results in a pull request.")


@app.command()
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

    from benchmark.plan import cell_of, check_names
    from benchmark.results import read_result
    from benchmark.suite import load_suite
    from leaderboard.submission.agreement import compare
    from leaderboard.submission.choice import choose
    from leaderboard.submission.marks import write_marks
    from leaderboard.submission.report import lines, recomputed
    from leaderboard.submission.validate import validate

    load_plugins(plugin)
    verdict = validate(folder, suites=[load_suite(name) for name in suite])
    _refuse(verdict, folder)
    chosen = choose(verdict.results, count=cells, seed=seed, named=cell)
    asked = [cell_of(verdict.results[path]) for path in chosen]
    check_names(asked)
    typer.echo(f"{len(chosen)} of {len(verdict.results)} cells, " + ("as named" if cell else f"drawn with seed {seed}"))
    with tempfile.TemporaryDirectory() as fresh:
        _compute(asked, Path(fresh), Path(fresh, "cache"), data_root, device, total=len(asked))
        again = {path: read_result(one.path(Path(fresh))) for path, one in zip(chosen, asked, strict=True)}
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
    typer.echo(f"{len(agreements) - len(wrong)} of {len(agreements)} cells agree", err=bool(wrong))
    raise typer.Exit(1 if wrong else 0)


def _deliver(files: dict[str, bytes], out: Path, check: bool) -> None:
    """Writes generated files and names them; to check, names those that are not up to date: exit status 1 if any."""
    from leaderboard.folder import stale, write

    if not check:
        for path in write(files, out):
            typer.echo(path)
        return
    old = stale(files, out, lambda text: typer.echo(text, err=True))
    for name in old:
        typer.echo(f"stale: {name}", err=True)
    raise typer.Exit(1 if old else 0)


def _overridden(suite: Suite, *, epochs: int | None, variants: bool, batch_size: int | None) -> Suite:
    """The suite with the command line's settings in place of its own; they become part of every result."""
    evaluation = suite.evaluation.model_copy(update={"variants": variants or suite.evaluation.variants})
    if batch_size is not None:
        evaluation = evaluation.model_copy(update={"batch_size": batch_size})
    update: dict[str, object] = {"evaluation": evaluation}
    if epochs is not None:
        update["training"] = suite.training.model_copy(update={"epochs": epochs})
        update["datasets"] = tuple(
            spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": epochs})})
            if spec.training
            else spec
            for spec in suite.datasets
        )
    return suite.model_copy(update=update)


def _on_free_data(cells: list[Cell]) -> list[Cell]:
    """The cells whose data set declares a free licence."""
    from benchmark.acquisition import licences

    declared = licences(cells)
    _say_left_out({name: licence.name for name, licence in declared.items() if not licence.open})
    return [cell for cell in cells if declared[cell.dataset].open]


def _say_left_out(reasons: dict[str, str]) -> None:
    for name, reason in reasons.items():
        typer.echo(f"left out, its licence is not free: {name} ({reason})", err=True)


def _with_backbone(suite: Suite, *, name: str | None, weights: str | None, blocks: list[str], frozen: bool) -> Suite:
    """The suite on another network, or on its own with other weights or blocks; on every data set."""
    given = {"name": name, "weights": weights, "blocks": tuple(blocks) or None, "frozen": frozen or None}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        return suite
    from benchmark.suite import BackboneSpec

    def changed(spec: BackboneSpec) -> BackboneSpec:
        return BackboneSpec(**{**({} if name else spec.model_dump(exclude_defaults=True)), **changes})

    datasets = tuple(
        spec.model_copy(update={"backbone": changed(spec.backbone)}) if spec.backbone else spec
        for spec in suite.datasets
    )
    return suite.model_copy(update={"backbone": changed(suite.backbone), "datasets": datasets})


def _pending(cells: list[Cell], out: Path, refresh: bool, *, current: bool = False) -> list[Cell]:
    """The cells that have to run; those of other source code too where results have to be current.

    Raises:
        ResultStale: If a result of other settings would be lost.
    """
    from benchmark.errors import ResultDamaged, ResultStale
    from benchmark.plan import sources, status

    pending, stale, older = [], [], []
    for cell in cells:
        try:
            state, result = status(cell, out)
        except ResultDamaged as error:
            typer.echo(f"note: {error} It is computed again.", err=True)
            state, result = "missing", None
        outdated = result is not None and result.provenance.sources != sources(cell)
        if state == "stale":
            stale.append(cell)
        elif outdated:
            older.append(cell)
        if state == "missing" or (refresh and state == "stale") or ((refresh or current) and outdated):
            pending.append(cell)
    if stale and not refresh:
        raise ResultStale(
            f"{len(stale)} results in {out} were computed with other settings, the first is {stale[0].path(out)}. "
            "Use another --out to keep them, or --refresh to compute them again."
        )
    if older and not (refresh or current):
        typer.echo(
            f"note: {len(older)} results were computed by another version of the source code, the first is "
            f"{older[0].path(out)}; --refresh computes them again.",
            err=True,
        )
    return pending


def main() -> None:
    """Entry point: an error of ours becomes one line and exit status 2."""
    from benchmark.errors import SembenchError

    try:
        app()
    except SembenchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
