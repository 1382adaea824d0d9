"""Applicability of metrics to an explainer on a network, decided by comparing sets before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sembench.backbones.backbone import Backbone
from sembench.explainers.explainer import Explainer
from sembench.metrics.metric import Metric
from sembench.relevance.conservation import instead
from sembench.relevance.fallback import LRP
from sembench.types import OF_DATA, Capability, Trait


@dataclass(frozen=True)
class Offer:
    """The capabilities of an explainer on a network.

    Attributes:
        offered: Capabilities of the explainer and traits of the network.
        lacks: For what is not offered, a sentence why, where there is one.
        obstacle: Why the explainer cannot be fitted to the network at all; ``None`` where it can.
    """

    offered: frozenset[Capability | Trait]
    lacks: Mapping[Capability | Trait, str]
    obstacle: str | None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The offered capabilities, without the traits of the network."""
        return frozenset(item for item in self.offered if isinstance(item, Capability))

    def reason_against(self, metric: Metric, who: str, data: str) -> str | None:
        """The reason why a metric does not apply to an entry on a data set; ``None`` where it does."""
        if self.obstacle is not None:
            return self.obstacle
        absent = metric.absent()
        if absent is not None:
            return absent
        missing = metric.missing(self.offered)
        if not missing:
            return None
        first = min(missing)
        return self.lacks.get(first, f"{data if first in OF_DATA else who} does not offer {first.value}")


def offer(recipe: Explainer, backbone: Backbone, also: frozenset[Capability] = frozenset()) -> Offer:
    """The offer of a recipe on a backbone.

    Args:
        recipe: The explainer's recipe.
        backbone: The network.
        also: What the data set offers.
    """
    lacks: dict[Capability | Trait, str] = dict([*recipe.lacks.items(), *backbone.lacks.items()])
    supports = set(recipe.supports - OF_DATA)  # a method may claim all capabilities there are
    reason = recipe.obstacle_to_maps(backbone)
    if reason is not None:
        supports.discard(Capability.ATTRIBUTION)
        lacks.setdefault(Capability.ATTRIBUTION, reason)
    traits = backbone.traits
    if backbone.attribution != LRP:  # LRP-KL compares with the black box, whose maps are made otherwise
        traits -= {Trait.RELEVANCE}
        lacks[Trait.RELEVANCE] = instead(backbone)
    return Offer(frozenset(supports | traits | also), lacks, recipe.obstacle(backbone))
