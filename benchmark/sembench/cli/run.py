"""The command `run`: computes what is missing of a suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sembench.cli.options import NETWORK, RUNS, LicenceOption, PluginOption, ResultsOption, SuiteOption, Terms
from sembench.cli.output import say_left_out
from sembench.cli.runs import compute, pending_of

if TYPE_CHECKING:
    from sembench.suites.plan import Run
    from sembench.suites.suite import DatasetSpec, Suite

    S = TypeVar("S", Suite, DatasetSpec)


def overridden(suite: Suite, *, epochs: int | None, variants: bool, batch_size: int | None) -> Suite:
    """The suite with the command line's settings in place of its own; they become part of every result."""
    given = {"variants": variants or None, "batch_size": batch_size}
    changed = {name: value for name, value in given.items() if value is not None}
    suite = suite.model_copy(update={"evaluation": suite.evaluation.model_copy(update=changed)})
    if epochs is None:
        return suite
    return everywhere(suite, "training", lambda spec: spec.model_copy(update={"epochs": epochs}))


def everywhere(suite: Suite, part: str, change: Callable[[Any], Any]) -> Suite:
    """The suite with its backbone or training changed, and those that data sets have of their own."""

    def mended(spec: S) -> S:
        return spec.model_copy(update={part: change(getattr(spec, part))}) if getattr(spec, part) else spec

    return mended(suite.model_copy(update={"datasets": tuple(map(mended, suite.datasets))}))


def with_backbone(suite: Suite, *, name: str | None, weights: str | None, blocks: list[str], frozen: bool) -> Suite:
    """The suite on another network, or on its own with other weights or blocks; on every data set."""
    given = {"name": name, "weights": weights, "blocks": tuple(blocks) or None, "frozen": frozen or None}
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if not changes:
        return suite
    from sembench.suites.network import BackboneSpec

    if weights:
        changes |= {"weights_sha256": None}  # it names the content of the suite's own file

    def changed(spec: BackboneSpec) -> BackboneSpec:
        return (BackboneSpec(name=name) if name else spec).changed(**changes)

    return everywhere(suite, "backbone", changed)


def run(
    suite: SuiteOption = "quick",
    explainer: Annotated[list[str], typer.Option(help="Run only this entry (repeatable).")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option(help="Run only on this data set (repeatable).")] = [],  # noqa: B006
    seed: Annotated[list[int], typer.Option(help="Run only this seed (repeatable).", min=0)] = [],  # noqa: B006
    backbone: Annotated[str | None, typer.Option(help="Explain this network instead.", metavar=NETWORK)] = None,
    weights: Annotated[str | None, typer.Option(help="Its weights.", metavar="none|imagenet|FILE")] = None,
    block: Annotated[list[str], typer.Option(help="A submodule that a block ends with (repeatable).")] = [],  # noqa: B006
    frozen: Annotated[bool, typer.Option("--frozen", help="Explain the network as it comes, do not train it.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Train black boxes for this many epochs instead.", min=0)] = None,
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
    runs = plan(wanted, explainers=explainer, datasets=dataset, seeds=seed)
    if licence is Terms.OPEN:
        runs = on_free_data(runs)
    pending = pending_of(runs, out, refresh)
    done = len(runs) - len(pending)
    typer.echo(f"{len(runs)} runs in {out / wanted.name}: {done} done, {len(pending)} to run")
    if not pending:
        return
    check_names(pending)
    if download:
        from sembench.running.datasets import fetch

        typer.echo("loading torch ...")
        _check_options(pending)
        fetch(pending, data_root, typer.echo)
    compute(pending, out, cache or out / "cache", data_root, device, total=len(runs))


def on_free_data(runs: list[Run]) -> list[Run]:
    """The runs on data sets that declare a free licence; the options of a data set may have a say in that.

    Raises:
        UnknownName, PluginBroken: If there is no such data set.
        SuiteInvalid: If it does not take its options.
    """
    from sembench.running.datasets import licences

    _check_options(runs)
    declared = licences(runs)
    say_left_out({name: licence.name for name, licence in declared.items() if not licence.open})
    return [run for run in runs if declared[run.dataset].open]


def _check_options(runs: list[Run]) -> None:
    """Raises `SuiteInvalid` where a data set does not take its options: before anything follows from them."""
    from sembench.running.datasets import loader_of, one_per_dataset

    for run in one_per_dataset(runs):
        loader_of(run)
