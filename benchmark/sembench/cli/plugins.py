"""The commands about plugins and networks: `list`, `inspect`, `new`, `check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sembench.cli.options import NETWORK, MeanOption, PluginOption, StdOption

if TYPE_CHECKING:
    from pydantic import JsonValue


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
    network: Annotated[str | None, typer.Argument(metavar=NETWORK)] = None,
    weights: Annotated[str, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = "none",
    image_size: Annotated[int, typer.Option(help="Height and width of the images, pixels.", min=1, max=4096)] = 224,
    block: Annotated[list[str], typer.Option(help="A submodule that a block ends with (repeatable).")] = [],  # noqa: B006
    classes: Annotated[int | None, typer.Option(help="Classes of the data set, if others.", min=1)] = None,
    mean: MeanOption = None,
    std: StdOption = None,
    embedding: Annotated[str, typer.Option(help="A transformer's embedding: network, avg or cls.")] = "network",
    suite: Annotated[str | None, typer.Option(help="The networks of this suite.", metavar="NAME|FILE")] = None,
    plugin: PluginOption = [],  # noqa: B006
) -> None:
    """Check which explainers and metrics fit a network, and say why where they do not."""
    from sembench.errors import SuiteInvalid
    from sembench.plugins.loading import load_plugins
    from sembench.suites.network import BackboneSpec

    if (network is None) == (suite is None):
        raise SuiteInvalid(f"give either a network ({NETWORK}) or --suite NAME|FILE.")
    load_plugins(plugin)
    from sembench.cli.inspection import inspect_network, inspect_suite

    if network is None:
        found = inspect_suite(str(suite))
    else:
        blocks: list[JsonValue] = [*block]
        given: dict[str, JsonValue] = {"blocks": blocks or None, "mean": mean and [*mean], "std": std and [*std]}
        spec = BackboneSpec(name="none").changed(name=network, weights=weights, embedding=embedding, **given)
        found = inspect_network(spec, image_size=image_size, n_classes=classes)
    for line in found:
        typer.echo(line)


new = typer.Typer(help="Write a package for a method of your own, or a suite for your network and images.",
                  no_args_is_help=True, rich_markup_mode=None)  # fmt: skip


@new.command("explainer")
def _explainer(
    name: Annotated[str, typer.Argument(help="Its name, in lower case with hyphens.")],
    folder: Annotated[Path, typer.Option("--in", help="Where its folder goes.")] = Path(),
) -> None:
    """Write a small package for a method of your own, which works at once."""
    from sembench.plugins.scaffold import new_explainer

    for path in new_explainer(name, folder):
        typer.echo(path)
    typer.echo(f"Next: cd {folder / name}, and see its README.md")


@new.command("suite")
def _suite(
    network: Annotated[str, typer.Option(help="The network.", metavar=NETWORK)],
    weights: Annotated[str, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = "none",
    images: Annotated[Path | None, typer.Option(help="A folder of images, one folder for each class.")] = None,
    data: Annotated[str | None, typer.Option(help="A data set by name, in place of a folder.")] = None,
    data_root: Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")] = Path("data"),
    image_size: Annotated[int | None, typer.Option(help="Pixels; found if left out.", min=1, max=4096)] = None,
    mean: MeanOption = None,
    std: StdOption = None,
    out: Annotated[Path | None, typer.Option(help="The file.", show_default="NAME.toml")] = None,
    plugin: PluginOption = [],  # noqa: B006
) -> None:
    """Write a suite for a network and its images, which runs at once."""
    from sembench.plugins.loading import load_plugins

    load_plugins(plugin)
    typer.echo("loading torch ...")
    from sembench.cli.new_suite import Wanted, new_suite

    path, assumed = new_suite(Wanted(network, weights, images, data, data_root, image_size, mean, std), out)
    typer.echo(path)
    for text in assumed:
        typer.echo(f"note: {text}", err=True)
    root = "" if data_root == Path("data") else f" --data-root {data_root}"
    typer.echo(f"Next: sembench run --suite {path}{root}")


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
