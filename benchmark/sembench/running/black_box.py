"""Makes backbones from the settings of a suite, or from a module, and examines how they propagate relevance."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from sembench.backbones.backbone import Backbone, built, freeze
from sembench.backbones.checks import examined_copy
from sembench.backbones.custom import own_network
from sembench.backbones.wrapping import Rescale, WrappedBackbone, wrap
from sembench.data.dataset import Split
from sembench.data.normalisation import Normalisation
from sembench.errors import PluginBroken, SuiteInvalid
from sembench.plugins.factory import code_of, file_sha256, is_factory
from sembench.plugins.registry import BACKBONES
from sembench.plugins.surroundings import brought
from sembench.relevance.conservation import examine
from sembench.results.result import wrong_fields
from sembench.running.cache import tensors_sha256
from sembench.seeding import isolated
from sembench.suites.network import BackboneSpec

_EXAMINED = 4

Rescaling = tuple[Normalisation, Normalisation]
"""A step in front of a network: the normalisation that images come with, and the one that it wants."""


def adapt(
    network: nn.Module,
    *,
    image_size: int,
    mean: Iterable[float] | None = None,
    std: Iterable[float] | None = None,
    blocks: Sequence[str] | None = None,
    n_classes: int | None = None,
    embedding: str = "network",
    attribution: str = "lrp",
) -> Backbone:
    """Your own trained classifier as a frozen backbone; the module itself does not change.

    ``lacks`` of the result gives the reasons why explainers or metrics do not apply to it, if there are any. Its
    ``expects`` is the normalisation given here: `sembench.Workbench` hands it the images of any data set that way.

    Args:
        network: A classifier from ``(B, 3, H, W)`` to logits ``(B, C)`` that ends in ``nn.Linear``.
        image_size: Height and width of the images, pixels.
        mean: How the network wants its images: mean per channel of pixels in [0, 1], as it was trained with. Without
            it, images are passed as the data set normalises them, by its own statistics.
        std: Standard deviation per channel; 1 with a mean of 0 for plain pixels in [0, 1], 1/255 for those in [0, 255].
        blocks: Submodules that the blocks end with; found automatically if left out.
        n_classes: Number of classes, if not the module's: a new last layer is then drawn from the global stream;
            `sembench.Workbench.train` with ``frozen="encoder"`` trains it.
        embedding: What a transformer's embedding is, see `sembench.suites.network.BackboneSpec`.
        attribution: How maps are made, see `sembench.suites.network.BackboneSpec`.

    Raises:
        SuiteInvalid: If one of the settings is none that a suite can have.
        BackboneUnfit: If the network does not have this form; says where it departs from it.
    """
    spec = stated(
        type(network).__name__, mean=_numbers(mean), std=_numbers(std), embedding=embedding, attribution=attribution,
        blocks=None if blocks is None else tuple(blocks),
    )  # fmt: skip

    made = built(functools.partial(_wrapped, network, spec, n_classes, image_size))
    made.spec = spec
    return examine(freeze(made))


def stated(name: str, **settings: Any) -> BackboneSpec:
    """The spec with these settings. Raises `SuiteInvalid` naming each that a suite could not have."""
    try:
        return BackboneSpec(name=name, **settings)
    except ValidationError as error:
        raise SuiteInvalid(f"{name}: {wrong_fields(error, 'its settings')}.") from error


def _numbers(values: Iterable[float] | None) -> Any:
    """Numbers of any sequence, array or tensor; what is none is left to be refused by its name."""
    try:
        return None if values is None else tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return values


def examined(backbone: Backbone, train: Split) -> Backbone:
    """The same backbone, its traits decided again on its present weights and some training images."""
    apart = torch.linspace(0, len(train) - 1, _EXAMINED).long()  # images sorted by class are of several
    return examine(backbone, train.batch(apart).images)


def rescaled(backbone: Backbone, given: Normalisation) -> Backbone:
    """The same backbone for images of another normalisation: a step in front takes them to the one that it expects.

    Afterwards it expects what is given: a second call changes nothing, and one for another data set puts the step from
    that in front. A backbone that expects nothing in particular is left as it is.
    """
    if backbone.expects is None or backbone.expects == given:
        return backbone
    first = backbone.blocks[0]
    front = nn.Sequential(Rescale(given, backbone.expects).to(backbone.device), first)
    front.training = first.training
    backbone.blocks[0] = front
    backbone.expects = given
    if backbone.factory is not None:
        backbone.factory = functools.partial(_rescaled_by, backbone.factory, given)
    return backbone


def _rescaled_by(factory: Callable[[], Backbone], given: Normalisation) -> Backbone:
    return rescaled(factory(), given)


def rescalings(backbone: Backbone) -> tuple[Rescaling, ...]:
    """The steps that `rescaled` has put in front of a backbone, in the order in which it did."""
    found, first = [], backbone.blocks[0]
    while isinstance(first, nn.Sequential) and len(first) == 2 and isinstance(first[0], Rescale):
        found.append((first[0].given, first[0].wanted))
        first = first[1]
    return tuple(reversed(found))


def remade(spec: BackboneSpec, n_classes: int, image_size: int, steps: Sequence[Rescaling]) -> Backbone:
    """A backbone by what a suite says of it, behind these steps, with initial weights.

    Raises:
        SuiteInvalid, UnknownName, BackboneUnfit: As `backbone_of` does.
    """
    with isolated(0):
        return built(
            functools.partial(_behind, functools.partial(_plain, spec.in_place(), n_classes, image_size), steps)
        )


def given(
    network: nn.Module, spec: BackboneSpec | None, n_classes: int, image_size: int, steps: Sequence[Rescaling]
) -> Backbone:
    """A backbone, or a network adapted as the spec says, behind these steps. Raises as `adapt` does."""
    if isinstance(network, Backbone):
        return _behind(lambda: network, steps)
    make = functools.partial(_wrapped, network, spec or stated(type(network).__name__), n_classes, image_size)
    with isolated(0):
        return built(functools.partial(_behind, make, steps))


def _wrapped(network: nn.Module, spec: BackboneSpec, n_classes: int | None, image_size: int) -> Backbone:
    """A user's module as a backbone, as the spec says."""
    options = _embedding(spec, wrap)
    return _declared(wrap(network, image_size=image_size, blocks=spec.blocks, n_classes=n_classes, **options), spec)


def _behind(make: Callable[[], Backbone], steps: Sequence[Rescaling]) -> Backbone:
    backbone = make()
    for seen, wanted in steps:
        backbone.expects = wanted
        rescaled(backbone, seen)
    return backbone


def backbone_of(
    spec: BackboneSpec, n_classes: int | None, *, image_size: int, normalisation: Normalisation
) -> Backbone:
    """The backbone that a suite asks for, with its initial weights, drawn from the global stream.

    Number of classes, size in pixels and normalisation are those of the data set; ``n_classes`` is ``None`` for those
    of the user's network. ``expects`` of the result is ``None`` where nobody said how the network wants its images,
    else the normalisation given here, from which it is taken to the one that the network wants.

    Raises:
        SuiteInvalid: If these settings do not go together.
        BackboneUnfit: If the network cannot be wrapped.
    """
    made = built(functools.partial(_made, spec.in_place(), n_classes, image_size, normalisation))
    made.spec = spec
    return examine(made, image_size=image_size)


def network_sources(spec: BackboneSpec) -> dict[str, str]:
    """The hash of what a network of the user's comes with, as ``network``; nothing for one by name.

    That is: its weights and buffers, the plain values among its modules' attributes, and the code that its factory has
    imported of its own, since a factory may read any file. It is called twice; weights that differ then are drawn, and
    not hashed.

    Raises:
        SuiteInvalid, PluginBroken: As `sembench.backbones.custom.own_network` does.
    """
    if not is_factory(spec.name):
        return {}
    placed = spec.in_place()
    hashes = set()
    for _ in range(2):
        with isolated(0):
            hashes.add(_identity(own_network(placed.name, placed.weights)))
    if len(hashes) > 1:
        return {"network": "drawn"}
    code = code_of(spec.in_place().name)
    brought_along = sorted(map(file_sha256, brought(code.file))) if code is not None else []
    return {"network": sha256(" ".join([*hashes, *brought_along]).encode()).hexdigest()}


def _identity(network: nn.Module) -> str:
    """The hash of tensors, those that are not saved among them, and of numbers and texts that modules keep."""
    tensors = {**network.state_dict(), **{f"buffer {name}": value for name, value in network.named_buffers()}}
    own = [
        (name, sorted((key, repr(value)) for key, value in vars(module).items() if _plain_value(value)))
        for name, module in network.named_modules()
    ]
    return sha256(f"{tensors_sha256(tensors)} {own}".encode()).hexdigest()


def _plain_value(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_plain_value, value))
    return value is None or isinstance(value, (bool, int, float, complex, str))


def _made(spec: BackboneSpec, n_classes: int | None, image_size: int, normalisation: Normalisation) -> Backbone:
    return rescaled(_plain(spec, n_classes, image_size), normalisation)


def _plain(spec: BackboneSpec, n_classes: int | None, image_size: int) -> Backbone:
    name, factory = spec.name, BACKBONES.get(spec.name)
    options: dict[str, Any] = {"weights": spec.weights, **_embedding(spec, factory)}
    accepted = inspect.signature(factory).parameters
    if "image_size" in accepted:
        options["image_size"] = image_size
    if spec.blocks:
        if "blocks" not in accepted:
            raise SuiteInvalid(f"the blocks of backbone {name!r} are fixed; leave out blocks = {list(spec.blocks)}.")
        options["blocks"] = list(spec.blocks)
    backbone = factory(n_classes, **options)
    if not isinstance(backbone, Backbone):
        raise PluginBroken(
            f"backbone {name!r} makes a {type(backbone).__name__}; its factory has to return a sembench.Backbone."
        )
    if not isinstance(backbone, WrappedBackbone):  # those have been examined
        backbone = examined_copy(backbone, image_size, [])
    outputs = getattr(backbone, "outputs", n_classes)
    if spec.frozen is True and outputs != n_classes:
        raise SuiteInvalid(
            f"backbone {name!r} is frozen, but has {outputs} classes where the data set has {n_classes}. Leave out "
            'frozen, and a new linear layer is trained with the rest; or, with frozen = "encoder", alone.'
        )
    return _declared(backbone, spec)


def _embedding(spec: BackboneSpec, factory: Callable[..., Any]) -> dict[str, Any]:
    """The option ``embedding`` where a factory takes it. Raises `SuiteInvalid` where it is asked for in vain."""
    if "embedding" in inspect.signature(factory).parameters:
        return {"embedding": spec.embedding}
    if spec.embedding != "network":
        raise SuiteInvalid(f'backbone {spec.name!r} has one embedding only; leave out embedding = "{spec.embedding}".')
    return {}


def _declared(backbone: Backbone, spec: BackboneSpec) -> Backbone:
    """The backbone with what the user says of its images and maps; what the factory knows stands where he is silent."""
    if spec.mean is not None and spec.std is not None:
        backbone.expects = Normalisation(spec.mean, spec.std)
    backbone.attribution = spec.attribution
    return backbone
