"""Relevance maps by gradients, through Captum, for networks that relevance propagation does not go through."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sembench.errors import ContractBroken, SuiteInvalid
from sembench.seeding import isolated
from sembench.types import in_pixels

Network = TypeVar("Network", bound=nn.Module)

LRP = "lrp"
TITLES = {
    "integrated-gradients": "integrated gradients", "input-x-gradient": "input x gradient", "grad-cam": "Grad-CAM",
}  # fmt: skip
"""The ways of making maps other than relevance propagation, in words."""

STEPS = 50
"""Points of the path of integrated gradients, by Gauss-Legendre quadrature."""

_WAYS: ContextVar[list[str] | None] = ContextVar("ways of the maps that are being made", default=None)

ADVICE = 'attribution = "integrated-gradients" makes maps by gradients instead'


def attribute(
    kind: str,
    network: Network,
    output: Callable[[Network, Tensor], Tensor],
    images: Tensor,
    relevance: Callable[[Tensor], Tensor],
) -> Tensor:
    """Attributes what relevance was put on to the pixels, by gradients.

        s(x) = sum_k R_k f_k(x),  R = relevance(f(x_0)) held fixed at the explained image x_0

        integrated gradients   x_0 * integral_0^1 grad s(a x_0) da
        input x gradient       x_0 * grad s(x_0)
        Grad-CAM               ReLU(sum_d A_d mean_cells ds / dA_d)

    The baseline of integrated gradients is 0, the mean colour of the data set after normalisation. ``A`` is the
    output of the last of the network's ``blocks`` (without such a list, the last map of more than one cell that a
    module yields); a pixel has the value of the cell it lies in. The network is used as it is and is not changed.

    Args:
        kind: One of `TITLES`.
        network: The network, in evaluation mode: a backbone, or a whole self-explainable model.
        output: What to start from, as a function of network and images; see `sembench.relevance.propagate`.
        images: Normalised images ``(B, 3, H, W)``.
        relevance: From the output's value to the weights ``R`` of the explained quantity, of the same shape.

    Returns:
        ``(B, H, W)``, signed, summed over colour channels; Grad-CAM's is 0 or more. Integrated gradients sum to
        ``s(x_0) - s(0)`` up to the error of the quadrature. Costs 51 forward and 50 backward passes by integrated
        gradients, two forward passes and one backward pass by the others.

    Raises:
        SuiteInvalid: If there is no such way, or Captum is not installed.
        ContractBroken: If the output does not depend on the images, or Grad-CAM finds no feature map.

    Note:
        The quantity, the baseline and the number of steps are [ours]: where prototypes are compared with an embedding,
        it is the embedding weighted by what the head's rule says of its channels.

    Examples:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False)).eval()
        >>> images = torch.ones(1, 3, 2, 2)
        >>> maps = attribute("input-x-gradient", network, lambda net, x: net(x), images, torch.ones_like)
        >>> torch.allclose(maps.sum(), network(images).sum(), atol=1e-6)  # of a linear network nothing is lost
        True

    References:
        [Integrated gradients]; [Input x gradient]; [Grad-CAM]; [Captum].
    """
    if kind not in TITLES:
        raise SuiteInvalid(f"attribution is {kind!r}; accepted are {LRP}, {', '.join(TITLES)}.")
    missing = absent()
    if missing is not None:
        raise SuiteInvalid(f"attribution = {kind!r}: {missing}.")
    ways, said = _WAYS.get(), f"maps by {TITLES[kind]}"
    if ways is not None and said not in ways:
        ways.append(said)
    with torch.inference_mode(False), torch.enable_grad():
        inputs = images.detach().clone().requires_grad_()
        if kind == "grad-cam":
            value, layer = _last_map(network, partial(output, network, inputs))
        else:
            value, layer = output(network, inputs), None
        if not value.requires_grad:
            raise ContractBroken(
                f"no gradient reaches the pixels: {type(network).__name__} computes its output without gradients. Take "
                "`no_grad` and `detach` out of its forward pass, or ATTRIBUTION out of `supports`."
            )
        weights = relevance(value.detach()).detach()
        if weights.shape != value.shape:
            raise ContractBroken(f"relevance {tuple(weights.shape)} must have the output's shape {tuple(value.shape)}.")

        def explained(some: Tensor, fixed: Tensor) -> Tensor:
            return (fixed * output(network, some)).flatten(1).sum(1)

        by = _library()
        given = {"additional_forward_args": (weights,)}
        if layer is not None:
            cells = by.LayerGradCam(explained, layer).attribute(inputs, relu_attributions=True, **given)
            return in_pixels(cells.detach().sum(1), images.shape[2:])
        if kind == "input-x-gradient":
            found: Tensor = by.InputXGradient(explained).attribute(inputs, **given)
        else:  # one step of the whole batch at a time: no more memory than a pass
            found = by.IntegratedGradients(explained).attribute(
                inputs, baselines=0, n_steps=STEPS, internal_batch_size=len(inputs), **given
            )
    return found.sum(1).detach()


def declared(network: nn.Module) -> str:
    """How the maps of a network are made: ``"lrp"``, or what a backbone or a model within it declares.

    Examples:
        >>> from sembench.backbones.resnet import resnet10_narrow
        >>> declared(nn.Sequential(resnet10_narrow(5)))
        'lrp'
    """
    return next((kind for part in network.modules() if (kind := getattr(part, "attribution", LRP)) in TITLES), LRP)


@contextmanager
def noting() -> Iterator[list[str]]:
    """Context that lists how the maps made within it are made, where by gradients; each way once, in words.

    Examples:
        >>> with noting() as ways:
        ...     pass
        >>> ways
        []
    """
    ways: list[str] = []
    token = _WAYS.set(ways)
    try:
        yield ways
    finally:
        _WAYS.reset(token)


def absent() -> str | None:
    """The reason why there is no fallback in this installation; ``None`` where there is.

    Examples:
        >>> absent() in (None, "the extra is not installed: pip install 'sembench[captum]'")
        True
    """
    if importlib.util.find_spec("captum") is None:
        return "the extra is not installed: pip install 'sembench[captum]'"
    return None


@lru_cache(maxsize=1)
def _library() -> Any:
    """Captum's attribution methods, imported without the warnings of their import."""
    with isolated(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("captum.attr")


class _Watched:
    """A module that may yield the last feature map, with what it yielded in a pass."""

    def __init__(self, module: nn.Module, order: list[_Watched]) -> None:
        self.module = module
        self.yielded: list[object] = []
        self.order = order

    def see(self, module: nn.Module, inputs: object, value: object) -> None:
        """Takes down what a pass through the module yields; a forward hook."""
        self.yielded.append(value)
        self.order.append(self)

    @property
    def yields_a_map(self) -> bool:
        """Whether the module yielded a map ``(B, D, h, w)``, once."""
        return len(self.yielded) == 1 and isinstance(self.yielded[0], Tensor) and self.yielded[0].ndim == 4


def _last_map(network: nn.Module, run: Callable[[], Tensor]) -> tuple[Tensor, nn.Module]:
    """The value of a pass, and the module in it that yields the last feature map.

    It is the last block; its last part where models call the parts of a plain sequence one by one. In a network without
    a list ``blocks`` it is the last module that yields a map of more than one cell.
    """
    lists = (getattr(part, "blocks", None) for part in network.modules())
    last = next((found[-1] for found in lists if isinstance(found, nn.ModuleList) and len(found)), None)
    chain = []
    while last is not None:
        chain.append(last)
        last = last[-1] if type(last) is nn.Sequential and len(last) else None
    order: list[_Watched] = []
    watched = [_Watched(module, order) for module in chain or network.modules()]
    handles = [one.module.register_forward_hook(one.see) for one in watched]
    try:
        value = run()
    finally:
        for handle in handles:
            handle.remove()
    cells = [one for one in order[::-1] if one.yields_a_map and one.yielded[0].shape[2:].numel() > 1]  # type: ignore[attr-defined]
    found = [one for one in watched if one.yields_a_map] if chain else cells
    if not found:
        raise ContractBroken(
            f"Grad-CAM finds no last feature map in {type(network).__name__}: none of its modules yields (B, D, h, w) "
            f"once a pass. {ADVICE[0].upper()}{ADVICE[1:]}."
        )
    return value, found[0].module
