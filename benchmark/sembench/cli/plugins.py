"""The commands about plugins and networks: `list`, `inspect`, `new`, `check`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sembench.cli.options import NETWORK, PluginOption


def list_everything(plugin: PluginOption = []) -> None:  # noqa: B006
    """Show the explainers, data sets, metrics, backbones, figures and suites that are there."""
    from sembench.plugins.loading import load_plugins

    load_plugins(plugin)
    from sembench.plugins.registry import BACKBONES, DATASETS, EXPLAINERS, FIGURES, METRICS
    from sembench.suites.suite import load_suite, suite_names

    for registry in (EXPLAINERS, DATASETS, METRICS, BACKBONES, FIGURES):
        typer.echo(f"{registry.kind}s")
        for name in registry.names():
            typer.echo(f"  {name:<22}{registry.origin(name)}")
    typer.echo("suites")
    for name in suite_names():
        typer.echo(f"  {name:<22}{load_suite(name).title}")


def inspect(
    network: Annotated[str, typer.Argument(metavar=NETWORK)],
    weights: Annotated[str, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = "none",
    image_size: Annotated[int, typer.Option(help="Height and width of the images, pixels.", min=1)] = 224,
    block: Annotated[list[str], typer.Option(help="A submodule that a block ends with (repeatable).")] = [],  # noqa: B006
    classes: Annotated[int | None, typer.Option(help="Classes of the data set, if others.", min=1)] = None,
) -> None:
    """Check which explainers and metrics fit a network, and say why where they do not."""
    from sembench.cli.inspection import inspect_network

    for line in inspect_network(network, weights=weights, image_size=image_size, blocks=block, n_classes=classes):
        typer.echo(line)


class Kind(StrEnum):
    """Kinds of new plugins."""

    EXPLAINER = "explainer"


def new(
    kind: Annotated[Kind, typer.Argument(help="explainer")],
    name: Annotated[str, typer.Argument(help="Its name, in lower case with hyphens.")],
    folder: Annotated[Path, typer.Option("--in", help="Where its folder goes.")] = Path(),
) -> None:
    """Write a small package for a method of your own, which works at once."""
    from sembench.plugins.scaffold import new_explainer

    for path in new_explainer(name, folder):
        typer.echo(path)
    typer.echo(f"Next: cd {folder / name}, and see its README.md")


def check(
    explainer: Annotated[list[str], typer.Argument(help="Explainers to check.")],
    plugin: PluginOption = [],  # noqa: B006
) -> None:
    """Check that an explainer keeps every promise that a board relies on, on a few hundred digits."""
    from sembench.plugins.loading import load_plugins
    from sembench.plugins.registry import EXPLAINERS

    load_plugins(plugin)
    for name in explainer:
        EXPLAINERS.require(name)
    typer.echo("loading torch ...")
    from sembench.errors import PluginBroken
    from sembench.explainers.configuration import recipe
    from sembench.testing import digits_case
    from sembench.testing.report import examine, lines

    broken = False
    for name in explainer:
        try:
            made = recipe(name, {}, "digits")
        except PluginBroken as error:
            typer.echo(f"{name}\n  {'broken':<12}{'recipe':<20}{error}")
            broken = True
            continue
        outcomes = examine(made, digits_case())
        typer.echo("\n".join([name, *lines(outcomes)]))
        broken = broken or any(outcome.state == "broken" for outcome in outcomes)
    raise typer.Exit(1 if broken else 0)
