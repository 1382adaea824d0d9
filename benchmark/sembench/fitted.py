"""A fitted explainer that can be asked, drawn, scored and saved; and how one is found again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, overload

from torch import nn

from sembench.errors import NotOffered, SuiteInvalid
from sembench.evaluation.evaluation import Evaluation
from sembench.evaluation.reference import Reference
from sembench.explainers.explainer import Explainer
from sembench.figures.catalogue import draw
from sembench.figures.picture import Picture
from sembench.figures.portraits import Portraits, portraits
from sembench.figures.subject import Subject
from sembench.keeping.loading import SavedExplainer, holds_model, load_folder
from sembench.keeping.saving import KeptExplainer
from sembench.metrics.applicability import offer
from sembench.metrics.scoring import score
from sembench.plugins.registry import METRICS
from sembench.results.scorecard import Scorecard
from sembench.running.cache import Cache
from sembench.running.device import deterministic, device_of
from sembench.running.preparation import Preparation
from sembench.seeding import derive, isolated
from sembench.suites.plan import Run, plan
from sembench.suites.suite import ExplainerSpec, load_suite


@dataclass(frozen=True, eq=False, repr=False)
class FittedExplainer(Subject, KeptExplainer):
    """A fitted explainer that can be asked about images, drawn, scored, and saved.

    Attributes:
        recipe: Its hyper-parameters.
        reference: Its black box on the data set, shared by all that are paired with it.
        spec: Its registered name and the hyper-parameters that were given; ``None`` if it was fitted from a recipe.
    """

    recipe: Explainer
    reference: Reference
    spec: ExplainerSpec | None

    @classmethod
    def of(
        cls, name: str, recipe: Explainer, model: Any, reference: Reference, spec: ExplainerSpec | None
    ) -> FittedExplainer:
        """A fitted model under a name, with what it offers."""
        dataset, backbone = reference.dataset, reference.backbone
        offered = offer(recipe, backbone, dataset.supports)
        return cls(name, model, backbone, dataset, offered.capabilities, offered.lacks, recipe, reference, spec)

    @property
    def data_sha256(self) -> str:
        """Hash of the data set that it was fitted to."""
        return self.dataset.sha256

    @cached_property
    def portraits(self) -> Portraits:
        """A picture of each prototype. One pass over the training images when first asked for."""
        return portraits(self)

    @property
    def is_reference(self) -> bool:
        """Whether the recipe is the black box's."""
        return self.recipe.kind == "reference"

    def draw(self, figure: str, *beside: Subject, **options: Any) -> Picture:
        """A figure of this explainer, of others beside it if named; see `sembench.figures.catalogue.FIGURES`.

        Raises:
            UnknownName: If there is no such figure.
            NotOffered: If it does not apply to one of them; the message says why.
        """
        drawn = draw(figure, [self, *beside], **options)
        if drawn.reasons:
            raise NotOffered("; ".join(drawn.reasons.values()))
        if len(drawn.pictures) > 1:
            raise NotOffered(f"a figure {figure!r} shows one explainer; draw the others on their own.")
        return next(iter(drawn.pictures.values()))

    def score(self, *metrics: str) -> Scorecard:
        """Scores by metric: the named ones, or all that are registered.

        Raises:
            UnknownName: If there is no such metric.
        """
        names = metrics or tuple(METRICS.names())
        evaluation = Evaluation(self.model, self.reference, self.name)
        offered = offer(self.recipe, self.backbone, self.dataset.supports)
        return Scorecard(score(offered, [METRICS.get(name) for name in names], evaluation))

    def _repr_html_(self) -> str:
        settings = ", ".join(f"{key} = {value}" for key, value in self.recipe.hyperparameters().items()) or "none"
        return (
            f"<b>{escape(self.name)}</b> on {escape(self.dataset.name)}<br>{self.model._repr_html_()}<br>"
            f"hyper-parameters: {escape(settings)}<br>offers: {escape(', '.join(sorted(self.supports)))}"
        )


@overload
def load(explainer: Path, *, network: nn.Module | str | None = None, device: str = "cpu") -> SavedExplainer: ...


@overload
def load(
    explainer: str, *, suite: str | None = None, dataset: str | None = None, seed: int | None = None,
    cache: Path | str = "runs/cache", data_root: Path | str = "data", device: str = "cpu",
    network: nn.Module | str | None = None,
) -> FittedExplainer: ...  # fmt: skip


def load(
    explainer: Path | str, *, suite: str | None = None, dataset: str | None = None, seed: int | None = None,
    cache: Path | str = "runs/cache", data_root: Path | str = "data", device: str = "cpu",
    network: nn.Module | str | None = None,
) -> FittedExplainer | SavedExplainer:  # fmt: skip
    """The explainer that was saved in a folder; or that of a suite's run, from the cache or trained and fitted.

    Args:
        explainer: A folder that `FittedExplainer.save` wrote, see `sembench.keeping.loading.load_folder`; or a label in
            the suite.
        suite: Name of the suite, or a TOML file; ``quick`` by default.
        dataset: Label of the data set; the suite's first one by default.
        seed: The seed; the suite's first one by default.
        cache: Folder of trained models.
        data_root: Folder of data sets.
        device: Where the model goes.
        network: Of a folder's model, a network of your own: a module, or ``"net.py:make"``.
    """
    of_suite = any(option is not None for option in (suite, dataset, seed))
    if isinstance(explainer, Path) or (not of_suite and (Path(explainer).name != explainer or holds_model(explainer))):
        if of_suite:
            raise SuiteInvalid(f"{explainer} is a folder's model; leave out suite, dataset and seed.")
        return load_folder(Path(explainer), network=network, device=device)
    if network is not None:
        raise SuiteInvalid("network goes with a saved explainer; the network of a suite stands in the suite.")
    runs = plan(load_suite(suite or "quick"), explainers=[explainer], datasets=[dataset] if dataset else (),
                seeds=[seed] if seed is not None else ())  # fmt: skip
    return fitted_explainers(runs[:1], Path(cache), Path(data_root), device, note=_warn)[0]


def _warn(text: str) -> None:
    """Shows a note where notebooks and scripts show them."""
    warnings.warn(text, UserWarning, stacklevel=2)


def fitted_explainers(
    runs: Sequence[Run], cache: Path, data_root: Path, device: str, say: Callable[[str], None] = lambda text: None,
    note: Callable[[str], None] | None = None,
) -> list[FittedExplainer]:  # fmt: skip
    """The explainers of runs, from the cache or fitted as a run would.

    ``say`` takes what needs time, ``note`` what the user should know (``say`` does if it is left out).

    Raises:
        SembenchError: What these runs would raise.
    """
    where = device_of(device)
    preparation, found = Preparation(Cache(cache), data_root, where, note or say), []
    with deterministic(where):
        for run in runs:

            def report(text: str, who: str = run.name) -> None:
                say(f"{who}: {text}")

            with isolated(derive(run.seed, run.data.name, "global streams")):
                prepared = preparation.prepared(run, report)
                model = preparation.model(prepared, report).model
            reference = prepared.trained.reference
            found.append(FittedExplainer.of(run.entry, prepared.recipe, model, reference, run.explainer))
    return found
