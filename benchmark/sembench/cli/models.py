"""The commands that use one fitted explainer: `explain`, `save`, `export`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sembench.cli.options import NETWORK, RUNS, PluginOption, SuiteOption

if TYPE_CHECKING:
    from sembench.keeping.saving import KeptExplainer

ModelOption = Annotated[Path | None, typer.Option(help="Folder of a saved explainer, instead of a suite's.")]
NetworkOption = Annotated[
    str | None, typer.Option(help="Of a saved explainer of a network of your own: that network.", metavar=NETWORK)
]
ExplainerOption = Annotated[str | None, typer.Option(help="An entry of the suite; its first explainer by default.")]
DatasetOption = Annotated[str | None, typer.Option(help="Data set of the suite; its first by default.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed; the suite's first by default.", min=0)]
ResultsFolder = Annotated[Path, typer.Option(help="Folder of results, with its cache.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder of models.", show_default="RESULTS/cache")]
RootOption = Annotated[Path, typer.Option(help="Folder of data sets, as torchvision lays it out.")]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda or mps.")]


_OF_SUITES = ("suite", "explainer", "dataset", "seed", "results", "cache", "data_root")


def explain(
    images: Annotated[list[str], typer.Argument(help="Files of images, or folders of them.", metavar="IMAGE")],
    model: ModelOption = None,
    network: NetworkOption = None,
    suite: SuiteOption = "quick",
    explainer: ExplainerOption = None,
    dataset: DatasetOption = None,
    seed: SeedOption = None,
    count: Annotated[int, typer.Option(help="Prototypes that each image is compared with.", min=0)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each image, not text.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for pictures and JSON with maps, as well.")] = None,
    plugin: PluginOption = [],  # noqa: B006
    results: ResultsFolder = RUNS,
    cache: CacheOption = None,
    data_root: RootOption = Path("data"),
    device: DeviceOption = "cpu",
    context: typer.Context = None,  # type: ignore[assignment]  # handed in by typer
) -> None:
    """Explain images of your own: decision, probabilities, most similar prototypes, maps.

    A model that is not in the cache is trained and fitted first.
    """
    from sembench.errors import DataDamaged

    given = [f"--{option.replace('_', '-')}" for option in _OF_SUITES if _is_given(context, option)]
    fitted = _explainer(
        model, suite, explainer, dataset, seed, plugin, results, cache, data_root, device, network, given
    )
    failed, names = 0, set[str]()
    for file in _files(images):
        try:
            found = fitted.explain(file, count)
        except DataDamaged as error:
            typer.echo(f"error: {error}", err=True)
            failed += 1
            continue
        typer.echo(json.dumps(found.to_json(maps=False), ensure_ascii=False) if as_json else found)
        if out is not None:
            for written in found.write_files(out, _new_name(file.stem[:100], names)):
                typer.echo(written, err=True)
    if failed:
        raise typer.Exit(1)


def save(
    folder: Annotated[Path, typer.Argument(help="Folder for the model; must not hold one yet.")],
    suite: SuiteOption = "quick",
    explainer: ExplainerOption = None,
    dataset: DatasetOption = None,
    seed: SeedOption = None,
    pictures: Annotated[bool, typer.Option(help="With pictures of prototypes, mostly training images.")] = True,
    plugin: PluginOption = [],  # noqa: B006
    results: ResultsFolder = RUNS,
    cache: CacheOption = None,
    data_root: RootOption = Path("data"),
    device: DeviceOption = "cpu",
) -> None:
    """Save an explainer of a suite with its network in a folder, to be used without the suite and its data.

    `sembench explain IMAGE --model FOLDER` and sembench.load(FOLDER) use it.
    """
    from sembench.files import require_new

    require_new(folder)
    fitted = _explainer(None, suite, explainer, dataset, seed, plugin, results, cache, data_root, device)
    typer.echo(fitted.save(folder, pictures=pictures))


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a saved explainer.")],
    file: Annotated[Path, typer.Argument(help="Where the program goes, as .pt2.")],
    network: NetworkOption = None,
    plugin: PluginOption = [],  # noqa: B006
) -> None:
    """Export the decision path of a saved explainer as a program that runs with torch alone (torch.export)."""
    typer.echo(_explainer(model, plugins=plugin, network=network).export(file))


def _is_given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _explainer(
    model: Path | None, suite: str = "quick", explainer: str | None = None, dataset: str | None = None,
    seed: int | None = None, plugins: Iterable[str] = (), results: Path = RUNS, cache: Path | None = None,
    data_root: Path = Path("data"), device: str = "cpu", network: str | None = None,
    given: Sequence[str] = (),
) -> KeptExplainer:  # fmt: skip
    """The saved explainer, or that of a suite; ``given`` are the options of suites that are named."""
    from sembench.errors import SuiteInvalid
    from sembench.plugins.loading import load_plugins
    from sembench.suites.plan import check_names, plan
    from sembench.suites.suite import load_suite

    load_plugins(plugins)
    if model is not None:
        if given:
            raise SuiteInvalid(f"--model is an explainer by itself; leave out {', '.join(given)}, or --model.")
        from sembench.keeping.loading import load_folder

        return load_folder(model, network=network, device=device)
    if network is not None:
        raise SuiteInvalid("--network goes with --model; the network of a suite stands in the suite.")
    wanted = load_suite(suite)
    runs = plan(wanted, explainers=[explainer] if explainer else (), datasets=[dataset] if dataset else (),
                seeds=[] if seed is None else [seed])  # fmt: skip
    check_names(runs[:1] if explainer else runs)
    from sembench.fitted import fitted_explainers
    from sembench.plugins.registry import EXPLAINERS

    def explains(name: str) -> bool:
        return getattr(EXPLAINERS.get(name), "kind", "explainer") == "explainer"

    chosen = next((run for run in runs if explainer or explains(run.explainer.name)), runs[0])
    typer.echo(f"{chosen.entry} of suite {wanted.name} on {chosen.dataset}, seed {chosen.seed}", err=True)
    return fitted_explainers(
        [chosen], cache or results / "cache", data_root, device, lambda text: typer.echo(text, err=True)
    )[0]


def _files(places: Iterable[str]) -> Iterator[Path]:
    """The files, and the images in the folders, sorted; what is hidden or has another ending is left out, and said."""
    from sembench.data.seeing import endings
    from sembench.errors import DataMissing

    known = endings()
    for place in places:
        if not place:
            raise DataMissing("an image has an empty name. Name a file, or a folder; . is the working directory.")
        folder = Path(place)
        if not folder.is_dir():
            yield folder
            continue
        inside = [file for file in sorted(folder.rglob("*")) if not file.is_dir()]
        shown = [file for file in inside if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
        seen = [file for file in shown if file.suffix.lower() in known and file.is_file()]
        if len(seen) < len(inside):
            left_out = len(inside) - len(seen)
            typer.echo(f"note: {folder}: {len(seen)} images; {left_out} other files are left out", err=True)
        yield from seen


def _new_name(stem: str, used: set[str]) -> str:
    """A name for an image's files that no other image has."""
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name
