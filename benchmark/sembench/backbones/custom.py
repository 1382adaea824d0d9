"""The user's own network as a backbone: ``module:factory`` and a weights file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path

from torch import nn

from sembench.backbones.backbone import Backbone
from sembench.backbones.loading import load_weights
from sembench.backbones.weights import read_weights
from sembench.backbones.wrapping import wrapped
from sembench.errors import PluginBroken, SembenchError, SuiteInvalid
from sembench.plugins.code import why
from sembench.plugins.factory import load, running


def named(name: str) -> Callable[..., Backbone]:
    """The backbone factory behind ``module:factory``; the user's code runs when it is called."""
    return functools.partial(wrapped, lambda n_classes, image_size, weights: own_network(name, weights))


def own_network(name: str, weights: str = "none") -> nn.Module:
    """The user's network with its weights.

    A factory without required parameters is called without any, and the file is loaded into its network, see
    `sembench.backbones.weights.read_weights`. One with a single required parameter gets the file's path and reads it
    itself.

    Args:
        name: ``module:factory``, or ``path/to/file.py:factory``.
        weights: ``"none"``, or a file.

    Raises:
        SuiteInvalid, PluginBroken: If there is no such factory or file, the factory fails or does not make a module,
            or the weights do not fit.
    """
    factory = load(name)
    if isinstance(factory, nn.Module):
        raise SuiteInvalid(
            f"backbone {name!r} is a network itself, a {type(factory).__name__}; give a function (or class) that makes "
            "it, since each run needs one of its own."
        )
    required = _required(factory)
    reads_itself = len(required) == 1
    if len(required) > 1 or (reads_itself and weights == "none") or weights == "imagenet":
        raise SuiteInvalid(
            f"backbone {name!r} takes {len(required)} required parameters and got weights {weights!r}. A factory takes "
            "none, and weights are 'none' or a file to be loaded; or it takes one, the path of the weights file."
        )
    if weights != "none" and not Path(weights).is_file():
        raise SuiteInvalid(f"the weights {weights!r} cannot be read: there is no such file (seen from {Path.cwd()}).")
    named = {parameter.name: weights for parameter in required if parameter.kind is parameter.KEYWORD_ONLY}
    given = [weights] if reads_itself and not named else []
    try:
        with running(name):
            network = factory(*given, **named)
    except SembenchError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginBroken(
            f"backbone {name!r}: the factory fails, with weights {weights!r}: {why(error)}. Repair it first."
        ) from error
    if not isinstance(network, nn.Module):
        raise SuiteInvalid(
            f"backbone {name!r} makes a {type(network).__name__}, not a torch.nn.Module; let it return the network "
            "and nothing else."
        )
    if weights != "none" and not reads_itself:
        load_weights(network, read_weights(Path(weights)), weights)
    return network


def _required(factory: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters that a factory cannot be called without; none where it does not say."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # written in C
        return []
    return [p for p in parameters if p.kind not in kinds and p.default is inspect.Parameter.empty]
