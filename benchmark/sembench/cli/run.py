"""The command that computes: `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sembench.cli.cells import compute, pending_of
from sembench.cli.options import NETWORK, RUNS, LicenceOption, PluginOption, ResultsOption, SuiteOption, Terms
from sembench.cli.output import say_left_out

if TYPE_CHECKING:
    from sembench.suites.plan import Cell
    from sembench.suites.suite import Suite


def overridden(suite: Suite, *, epochs: int | None, variants: bool, batch_size: int | None) -> Suite:
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


def with_backbone(suite: Suite, *, name: str | None, weights: str | None, blocks: list[str], frozen: bool) -> Suite:
    """The suite on another network, or on its own with other weights or blocks; on every data set."""
    given = {"name": name, "weights": weights, "blocks": tuple(blocks) or None, "frozen": frozen or None}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        return suite
    from sembench.suites.suite import BackboneSpec

    replaced = {"weights_sha256"} if weights else set()  # it names the content of the suite's own file

    def changed(spec: BackboneSpec) -> BackboneSpec:
        kept = {} if name else spec.model_dump(exclude_defaults=True, exclude=replaced)
        return BackboneSpec(**{**kept, **changes})

    datasets = tuple(
        spec.model_copy(update={"backbone": changed(spec.backbone)}) if spec.backbone else spec
        for spec in suite.datasets
    )
    return suite.model_copy(update={"backbone": changed(suite.backbone), "datasets": datasets})


def run(
    suite: SuiteOption = "quick",
    explainer: Annotated[list[str], typer.Option(help="Run only this entry (repeatable).")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option(help="Run only on this data set (repeatable).")] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="Run only this seed (repeatable).", min=0)] = [],  # noqa: B006
    backbone: Annotated[str | None, typer.Option(help="Explain this network instead.", metavar=NETWORK)] = None,
    weights: Annotated[str | None, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = None,
    block: Annotated[list[str], typer.Option(help="A submodule that a block ends with (repeatable).")] = [],  # noqa: B006
    frozen: Annotated[bool, typer.Option("--frozen", help="Explain the network as it comes, do not train it.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Train black boxes for so many epochs instead.", min=0)] = None,
    variants: Annotated[bool, typer.Option("--variants", help="Compute the metrics' variants too.")] = False,
    batch_size: Annotated[int | None, typer.Option(help="Images per forward pass of the evaluation.", min=1)] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    out: ResultsOption = RUNS,
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
    from sembench.plugins.loading import load_plugins
    from sembench.suites.plan import check_names, plan
    from sembench.suites.suite import load_suite

    load_plugins(plugin)
    wanted = overridden(load_suite(suite), epochs=epochs, variants=variants, batch_size=batch_size)
    wanted = with_backbone(wanted, name=backbone, weights=weights, blocks=block, frozen=frozen)
    cells = plan(wanted, explainers=explainer, datasets=dataset, seeds=seed)
    if licence is Terms.OPEN:
        cells = on_free_data(cells)
    pending = pending_of(cells, out, refresh)
    done = len(cells) - len(pending)
    typer.echo(f"{len(cells)} cells in {out / wanted.name}: {done} done, {len(pending)} to run")
    if not pending:
        return
    check_names(pending)
    if download:
        from sembench.running.datasets import fetch

        typer.echo("loading torch ...")
        _check_options(pending)
        fetch(pending, data_root, typer.echo)
    compute(pending, out, cache or out / "cache", data_root, device, total=len(cells))


def on_free_data(cells: list[Cell]) -> list[Cell]:
    """The cells whose data set declares a free licence; its options may have a say in that.

    Raises:
        UnknownName, PluginBroken: If there is no such data set.
        SuiteInvalid: If it does not take its options.
    """
    from sembench.running.datasets import licences

    _check_options(cells)
    declared = licences(cells)
    say_left_out({name: licence.name for name, licence in declared.items() if not licence.open})
    return [cell for cell in cells if declared[cell.dataset].open]


def _check_options(cells: list[Cell]) -> None:
    """Raises `SuiteInvalid` where a data set does not take its options: before anything follows from them."""
    from sembench.running.datasets import loader_of

    for cell in {cell.dataset: cell for cell in cells}.values():
        loader_of(cell)
