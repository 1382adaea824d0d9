"""The command that draws what models say: `show`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sembench.options import RUNS, SuiteOption


class Shown(StrEnum):
    """Which figures there are."""

    PROTOTYPES = "prototypes"
    LOOKS_LIKE = "looks-like"
    RELEVANCE = "relevance"
    CONCEPTS = "concepts"
    EMBEDDING = "embedding"
    CURVES = "curves"
    ABLATIONS = "ablations"


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
    results: Annotated[Path, typer.Option(help="Folder of results, with its cache.")] = RUNS,
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
