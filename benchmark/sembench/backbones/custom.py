"""The user's own network as a backbone: ``module:factory`` and a weights file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from sembench.backbones.backbone import Backbone
from sembench.backbones.weights import load_weights, read_weights
from sembench.backbones.wrapping import Embedding, wrap
from sembench.errors import PluginBroken, SembenchError, SuiteInvalid, in_one_line
from sembench.plugins.factory import load


def named(name: str) -> Callable[..., Backbone]:
    """The backbone factory behind ``module:factory``; the user's code runs when it is called."""
    return functools.partial(own_backbone, name)


def own_backbone(
    name: str,
    n_classes: int | None,
    *,
    image_size: int,
    weights: str = "none",
    blocks: Sequence[str] | None = None,
    embedding: Embedding = "network",
) -> Backbone:
    """The user's network as a backbone, see `sembench.backbones.wrapping.wrap`.

    Args:
        name: ``module:factory``, or ``path/to/file.py:factory``.
        n_classes: Classes of the data set; a network with another number of outputs gets a new linear layer. ``None``:
            those of the network.
        image_size: Height and width of the images, pixels.
        weights: ``"none"``, or a file.
        blocks: Submodules that the blocks end with.
        embedding: What the embedding is.

    Raises:
        SuiteInvalid, PluginBroken: If there is no such factory or file, the factory fails or does not make a module,
            or the weights do not fit.
        BackboneUnfit: If the network cannot be wrapped.
    """
    network = own_network(name, weights)
    return wrap(network, image_size=image_size, blocks=blocks, n_classes=n_classes, embedding=embedding)


def own_network(name: str, weights: str = "none") -> nn.Module:
    """The user's network with its weights; raises as `own_backbone` does.

    A factory without required parameters is called without any, and the file (safetensors, or ``.pth`` read with
    ``weights_only=True``) is loaded into its network. One with a single required parameter gets the file's path and
    reads it itself.
    """
    factory = load(name)
    required = _required(factory)
    reads_itself = len(required) == 1
    if len(required) > 1 or (reads_itself and weights == "none") or weights == "imagenet":
        raise SuiteInvalid(
            f"backbone {name!r} takes {len(required)} required parameters and got weights {weights!r}. A factory takes "
            "none, and weights are 'none' or a file to be loaded; or it takes one, the path of the weights file."
        )
    if weights != "none" and not Path(weights).is_file():
        raise SuiteInvalid(f"the weights {weights!r} cannot be read: there is no such file (seen from {Path.cwd()}).")
    try:
        network = factory(weights) if reads_itself else factory()
    except SembenchError:
        raise
    except Exception as error:
        raise PluginBroken(
            f"backbone {name!r}: the factory fails, with weights {weights!r}: {in_one_line(error)}. Repair it first."
        ) from error
    if not isinstance(network, nn.Module):
        raise SuiteInvalid(f"backbone {name!r} makes a {type(network).__name__}, not a torch.nn.Module.")
    if weights != "none" and not reads_itself:
        load_weights(network, read_weights(Path(weights)), weights)
    return network


def _required(factory: Callable[..., object]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(factory).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
