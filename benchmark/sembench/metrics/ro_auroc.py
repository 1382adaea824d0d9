"""RO-AUROC: how long a decision lasts while pixels give way to noise, the least relevant first.

The pure functions are those of `sembench.evaluation.perturbation`.
"""

from __future__ import annotations

from torch import Tensor

from sembench.evaluation.perturbation import area_under_curve
from sembench.metrics.metric import Meter, Metric, Scores
from sembench.types import Capability


class _Area(Meter):
    def scores(self) -> Scores:
        curve, random = self.evaluation.relevance_order_curves
        area, chance = area_under_curve(curve), area_under_curve(random)
        details = {
            "curve": curve.mean(0), "random curve": random.mean(0),
            "curve standard deviation": curve.std(0, correction=0),
            "random curve standard deviation": random.std(0, correction=0),
        }  # fmt: skip
        variants = {_DECIDED: area_under_curve(self.evaluation.decided_curves[0])} if self.evaluation.variants else {}
        return Scores(area, chance, variants=variants, details=details)


class _Gain(Meter):
    def scores(self) -> Scores:
        evaluation = self.evaluation
        variants = {_DECIDED: _gain(evaluation.decided_curves)} if evaluation.variants else {}
        return Scores(_gain(evaluation.relevance_order_curves), 0.0, variants=variants)


def _gain(curves: tuple[Tensor, Tensor]) -> Tensor:
    ordered, random = curves
    return area_under_curve(ordered) - area_under_curve(random)


_NEEDS = frozenset({Capability.ATTRIBUTION, Capability.PROBABILITIES})
_DECIDED = "decided class"
"""A model that decides by its nearest prototype may decide for, and explain, another class than the most probable."""

RO_AUROC = Metric(
    name="ro_auroc", title="RO-AUROC", direction="higher", lower=0, upper=1, per="explained image",
    meter=_Area, requires=_NEEDS, version=1, reference="[K] section 4.3, Fig. 3 and Table 4",
    chance_is="the same curve with pixels in random order under the same noise",
    variants=(_DECIDED,),
    cost="steps + 1 forward passes of the explained images, twice (once in random order)",
    note="Area under the curve of the predicted class's probability while pixels give way to noise, the least "
    "relevant first. Its height depends on how probabilities come about: read it beside its chance level.",
)  # fmt: skip

RO_AUROC_GAIN = Metric(
    name="ro_auroc_gain", title="RO gain", direction="higher", lower=-1, upper=1, per="explained image",
    meter=_Gain, requires=_NEEDS, version=1, reference="[K] Fig. 3: relevance order against random order",
    chance_is="0: random order", variants=(_DECIDED,), cost="none beyond RO-AUROC",
    note="RO-AUROC minus the area under the random-order curve: what the explanation adds.",
)  # fmt: skip
