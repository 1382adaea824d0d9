"""Inspection of a network: its parts, and the explainers and metrics that fit it, line by line."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.wrapping import WrappedBackbone
from sembench.cost import tensor_count
from sembench.data.normalisation import Normalisation
from sembench.explainers.configuration import recipe
from sembench.metrics.applicability import Offer, offer
from sembench.plugins.factory import is_factory
from sembench.plugins.registry import DATASETS, EXPLAINERS, METRICS
from sembench.relevance.propagation import black_box_relevance
from sembench.running.black_box import backbone_of
from sembench.seeding import isolated
from sembench.suites.network import BackboneSpec
from sembench.suites.suite import METRICS as METRICS_BY_DEFAULT
from sembench.suites.suite import EvaluationSpec, load_suite
from sembench.types import Trait

_IMAGENET = 1000
_USUAL = EvaluationSpec()
_PROBE = 4  # images that are timed
_CURVES, _MAPS = 2, 4  # passes of an explained image: curves of points, and all others
_PLAIN = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def inspect_network(
    spec: BackboneSpec, *, image_size: int = 224, n_classes: int | None = None,
    metrics: Sequence[str] = METRICS_BY_DEFAULT, evaluation: EvaluationSpec = _USUAL,
) -> Iterator[str]:  # fmt: skip
    """The lines of `sembench inspect` on a network.

    Args:
        spec: The network; frozen or not makes no difference here.
        image_size: Height and width of the images, pixels.
        n_classes: Classes of the data set; by default the network's own, 1,000 for one of the registry.
        metrics: Names of the metrics to be looked at.
        evaluation: How a run would be evaluated.

    Raises:
        SuiteInvalid, PluginBroken: If there is no such network, or the weights do not fit.
        BackboneUnfit: If the network cannot be wrapped; says where it departs from the form.
    """
    with isolated(0):
        wanted = n_classes or (None if is_factory(spec.name) else _IMAGENET)
        loose = spec.model_copy(update={"frozen": False})
        backbone = freeze(backbone_of(loose, wanted, image_size=image_size, normalisation=_PLAIN))
    yield from _structure(backbone, image_size)
    yield from _cost(backbone, image_size, evaluation)
    yield ""
    yield from _fits(backbone, metrics)


def inspect_suite(name: str) -> Iterator[str]:
    """The lines of `sembench inspect --suite` on the network of each data set, at that data set's size.

    Reads no data; see `inspect_network` for what it raises, and `sembench.suites.suite.load_suite`.
    """
    suite = load_suite(name)
    for number, data in enumerate(suite.datasets):
        spec = data.backbone or suite.backbone
        load = DATASETS.get(data.name)
        usual = inspect.signature(load).parameters.get("image_size")
        size = data.image_size or (usual.default if usual is not None and usual.default is not usual.empty else 224)
        yield from [""] * bool(number)
        yield f"data set    {data.entry}, {size} pixels"
        yield from inspect_network(spec, image_size=size, metrics=suite.metrics, evaluation=suite.evaluation)


def _cost(backbone: Backbone, image_size: int, evaluation: EvaluationSpec) -> Iterator[str]:
    """Time and memory of the network, measured on a small batch, and those of a run of the default metrics after it.

    A run makes two curves and a few maps of each explained image: so the counts of passes in results say.
    """
    images = torch.rand(_PROBE, 3, image_size, image_size)
    with torch.no_grad():
        cells = sum(maps.numel() for maps in backbone.feature_maps(images)) // _PROBE
        forward = _seconds(lambda: backbone(images))
    yield f"time        about {forward / _PROBE * 1000:.2g} ms an image forward, on this processor"
    if Trait.RELEVANCE in backbone.traits:
        backward = _seconds(lambda: black_box_relevance(backbone, images, bias="share"))
        yield f"            about {backward / _PROBE * 1000:.2g} ms an image for a map of relevance"
    weights = 4 * tensor_count(dict(backbone.state_dict()))
    batch = 4 * cells * evaluation.batch_size
    yield f"memory      about {weights / 1e6:,.1f} MB of weights, {batch / 1e6:,.0f} MB of feature maps for a batch"
    count = evaluation.explained_images * (_CURVES * (evaluation.steps + 1) + _MAPS)
    taken = forward / _PROBE * count
    yield f"a run       about {count:,} images and {taken:,.0f} s, beyond a fit and a pass over the data"


def _seconds(work: Callable[[], object]) -> float:
    """The second of two times: the first warms up."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _structure(backbone: Backbone, image_size: int) -> Iterator[str]:
    with torch.no_grad():
        maps = backbone.feature_maps(torch.zeros(1, 3, image_size, image_size))
    wrapped = backbone if isinstance(backbone, WrappedBackbone) else None
    yield f"parameters  {tensor_count(dict(backbone.state_dict())):,}"
    for number, features in enumerate(maps, 1):
        end = f"  up to {wrapped.facts[number - 1].name}" if wrapped else ""
        yield f"block {number}     {features.shape[1]} channels, {features.shape[2]}x{features.shape[3]} cells{end}"
    yield f"embedding   {backbone.dimension} channels" + (f", by {', '.join(wrapped.head)}" if wrapped else "")
    if wrapped is None:
        yield f"classes     {backbone.n_classes}"
        return
    new = "" if wrapped.outputs == backbone.n_classes else ": a new linear layer, to be trained"
    yield f"classes     {wrapped.outputs} in the network, {backbone.n_classes} wanted{new}"
    yield "answer      the parts give the logits of the whole"
    if not math.isnan(wrapped.conserved):
        yield f"relevance   {wrapped.conserved:.3f} of it arrives at the pixels (1: conserved)"
    for path, why in wrapped.opaque.items():
        yield f"whole       {path} is not looked into: {why}"


def _fits(backbone: Backbone, metrics: Sequence[str]) -> Iterator[str]:
    for trait in Trait:
        yield f"no   {trait.value}: {backbone.lacks[trait]}" if trait in backbone.lacks else f"yes  {trait.value}"
    yield ""
    for name in EXPLAINERS.names():
        if "*" not in name:
            explainer = recipe(name, {}, "*")
            offered = offer(explainer, backbone)
            without = explainer.obstacle_to_maps(backbone)
            if offered.obstacle is not None:
                yield f"{name:<17}not applicable: {offered.obstacle}"
                continue
            yield f"{name:<17}fits" + (f", without maps: {without}" if without else "")
            yield from _metrics(offered, name, metrics)


def _metrics(offered: Offer, who: str, metrics: Sequence[str]) -> Iterator[str]:
    """The metrics that apply to an explainer, in a line, and a line for each reason against others."""
    against: dict[str, list[str]] = {}
    for metric in metrics:
        reason = offered.reason_against(METRICS.get(metric), who, "the data set")
        against.setdefault(reason or "", []).append(metric)
    yield f"{'':<17}  {', '.join(against.pop('', ['no metric']))}"
    for reason, names in against.items():
        yield f"{'':<17}  not {', '.join(names)}: {reason}"
