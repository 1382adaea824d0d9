"""The command that draws what models say: `show`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sembench.cli.options import RUNS, PluginOption, SuiteOption, named_suite

if TYPE_CHECKING:
    from sembench.suites.plan import Run


def show(
    figure: Annotated[str, typer.Argument(help="Name of a figure, as `sembench list` shows it.")],
    plugin: PluginOption = [],  # noqa: B006
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
    from sembench.errors import PluginBroken
    from sembench.figures.figure import ModelFigure, ResultsFigure
    from sembench.files import write_atomically
    from sembench.plugins.loading import load_plugins
    from sembench.plugins.registry import FIGURES

    load_plugins(plugin)
    kind = FIGURES.get(figure)
    if not isinstance(kind, ModelFigure | ResultsFigure):
        raise PluginBroken(f"figure {figure!r} is a {type(kind).__name__}, not a figure; see CONTRIBUTING.md.")
    if isinstance(kind, ResultsFigure):
        for name, content in kind.files(results, named_suite(suite), explainer, dataset).items():
            write_atomically(out / name, content)
            typer.echo(out / name)
        return
    from sembench.suites.plan import check_names, plan
    from sembench.suites.suite import load_suite

    runs = plan(load_suite(suite), explainers=explainer, datasets=dataset, seeds=seed)
    check_names(runs)
    options = {"images": image or None, kind.amount: count, "classes": label or None, "method": projection}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    given |= {"every_seed": bool(seed), "apart": kind.apart and not explainer}
    if not gallery(figure, runs, cache or results / "cache", data_root, device, out, typer.echo, **given):
        raise typer.Exit(1)


_NAMED = 3  # explainers that a file name lists


def gallery(
    figure: str, runs: Sequence[Run], cache: Path, data_root: Path, device: str, out: Path,
    say: Callable[[object], None], *, every_seed: bool, apart: bool = False, **options: Any,
) -> list[Path]:  # fmt: skip
    """Writes a figure of runs, one for each data set and seed, or the first seed only; each explainer ``apart`` or not.

    Runs are grouped by data set and seed, as `sembench.suites.plan.plan` returns them. Pictures go to
    ``<out>/<suite>/<data set>/seed-<n>/<figure>-<explainers>``; ``say`` takes what needs time, what was written, and
    why a figure does not apply.

    Returns:
        The files; none where the figure applies to none of the explainers.

    Raises:
        SembenchError: If a model cannot be made, or the figure does not take the options.
    """
    from sembench.figures.catalogue import draw
    from sembench.fitted import fitted_explainers

    files: list[Path] = []
    seen: set[str] = set()
    for (dataset, seed), group in groupby(runs, key=lambda run: (run.dataset, run.seed)):
        own = list(group)
        if dataset in seen and not every_seed:
            continue
        seen.add(dataset)
        found = fitted_explainers(own, cache, data_root, device, say)
        for some in [[one] for one in found] if apart else [found]:
            drawn = draw(figure, some, **options)
            for reason in drawn.reasons.values():
                say(reason)
            for names, picture in drawn.pictures.items():
                who = f"{len(names)}-explainers" if len(names) > _NAMED else "-".join(names)
                written = picture.write_files(out / own[0].suite / dataset / f"seed-{seed}", f"{figure}-{who}")
                files += written
                for file in written:
                    say(file)
    return files
