"""RO-AUROC: how long a decision lasts while pixels give way to noise, the least relevant first.

The pure functions are those of `sembench.evaluation.perturbation`. Version 2 follows the class that the model decides
for, in the order of the map of that class's most similar prototype, as [K] section 4.2.2 has it; version 1 followed the
most probable class in the order of the class map.

Variants: ``most probable class`` follows that one; ``all prototypes`` averages the curves over all prototypes of the
decided class, another reading of "averaged over 100 test images and all prototypes" ([K] section 4.2.2); ``class map``
orders pixels by the relevance of the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from sembench.evaluation.perturbation import area_under_curve
from sembench.metrics.metric import Meter, Metric, Scores
from sembench.types import Capability

if TYPE_CHECKING:
    from sembench.evaluation.evaluation import Evaluation


class _Area(Meter):
    def scores(self) -> Scores:
        curve, random = self.evaluation.relevance_order_curves
        area, chance = area_under_curve(curve), area_under_curve(random)
        details = {
            "curve": curve.mean(0), "random curve": random.mean(0),
            "curve standard deviation": curve.std(0, correction=0),
            "random curve standard deviation": random.std(0, correction=0),
        }  # fmt: skip
        variants = {name: area_under_curve(own) for name, (own, _) in _variants(self.evaluation).items()}
        return Scores(area, chance, variants=variants, details=details, note=self.evaluation.prototype_maps.note)


class _Gain(Meter):
    def scores(self) -> Scores:
        variants = {name: _gain(curves) for name, curves in _variants(self.evaluation).items()}
        gain = _gain(self.evaluation.relevance_order_curves)
        return Scores(gain, 0.0, variants=variants, note=self.evaluation.prototype_maps.note)


def _variants(evaluation: Evaluation) -> dict[str, tuple[Tensor, Tensor]]:
    """The curves under other definitions, in order and at random; none unless they are asked for."""
    if not evaluation.variants:
        return {}
    random = evaluation.relevance_order_curves[1]
    return {
        "most probable class": evaluation.most_probable_curves,
        "all prototypes": (evaluation.all_prototypes_curve, random),
        "class map": (evaluation.class_map_curve, random),
    }


def _gain(curves: tuple[Tensor, Tensor]) -> Tensor:
    ordered, random = curves
    return area_under_curve(ordered) - area_under_curve(random)


_NEEDS = frozenset({Capability.ATTRIBUTION, Capability.PROBABILITIES})

RO_AUROC = Metric(
    name="ro_auroc", title="RO-AUROC", direction="higher", lower=0, upper=1, per="explained image",
    meter=_Area, requires=_NEEDS, version=2, reference="[K] section 4.2.2, Fig. 3 and Table 4",
    chance_is="the same curve with pixels in random order under the same noise",
    variants=("most probable class", "all prototypes", "class map"),
    cost="steps + 1 forward passes of the explained images, twice (once in random order); two more and one attribution "
    "for their maps; for the variant of all prototypes, attributions and curves as many as a class has prototypes",
    note="Area under the curve of the decided class's probability while pixels give way to noise, the least "
    "relevant to its most similar prototype first. Its height depends on how probabilities come about: read it beside "
    "its chance level.",
)  # fmt: skip

RO_AUROC_GAIN = Metric(
    name="ro_auroc_gain", title="RO gain", direction="higher", lower=-1, upper=1, per="explained image",
    meter=_Gain, requires=_NEEDS, version=2,
    reference="[K] section 4.2.2 and Fig. 3: relevance order against random order", chance_is="0: random order",
    variants=("most probable class", "all prototypes", "class map"),
    cost="none beyond RO-AUROC",
    note="RO-AUROC minus the area under the random-order curve: what the explanation adds.",
)  # fmt: skip
