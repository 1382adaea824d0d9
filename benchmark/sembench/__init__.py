"""The benchmark of self-explainable image classifiers.

Everything that a user or the author of a plugin needs has its name here::

    from sembench import Explainer, Workbench, read_result

Beside it stand `sembench.relevance` (propagation and rules), `sembench.testing` (checks and gates for the tests of
plugins) and `sembench.metrics` (a module per metric). What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

__version__ = version("sembench")

if TYPE_CHECKING:
    from sembench.backbones.backbone import Backbone as Backbone
    from sembench.data.dataset import Dataset as Dataset
    from sembench.data.dataset import Split as Split
    from sembench.data.dataset import make_dataset as make_dataset
    from sembench.errors import SembenchError as SembenchError
    from sembench.explainers.explainer import Conversion as Conversion
    from sembench.explainers.explainer import Explainer as Explainer
    from sembench.explainers.explainer import SelfExplainableModel as SelfExplainableModel
    from sembench.explainers.explainer import TrainedExplainer as TrainedExplainer
    from sembench.fitted import load as load
    from sembench.metrics.metric import Meter as Meter
    from sembench.metrics.metric import Metric as Metric
    from sembench.metrics.metric import Scores as Scores
    from sembench.plugins.registry import BACKBONES as BACKBONES
    from sembench.plugins.registry import DATASETS as DATASETS
    from sembench.plugins.registry import EXPLAINERS as EXPLAINERS
    from sembench.plugins.registry import FIGURES as FIGURES
    from sembench.plugins.registry import METRICS as METRICS
    from sembench.results.result import Result as Result
    from sembench.results.result import read_result as read_result
    from sembench.running.black_box import adapt as adapt
    from sembench.suites.suite import load_suite as load_suite
    from sembench.types import Batch as Batch
    from sembench.types import Capability as Capability
    from sembench.types import Explanation as Explanation
    from sembench.types import Prototypes as Prototypes
    from sembench.types import Trait as Trait
    from sembench.workbench import Workbench as Workbench
else:
    from sembench.lazy import lazily

    __getattr__, __dir__, __all__ = lazily(
        __name__,
        {
            "sembench.workbench": "Workbench",
            "sembench.fitted": "load",
            "sembench.running.black_box": "adapt",
            "sembench.explainers.explainer": "Explainer TrainedExplainer Conversion SelfExplainableModel",
            "sembench.types": "Explanation Prototypes Batch Capability Trait",
            "sembench.backbones.backbone": "Backbone",
            "sembench.metrics.metric": "Metric Meter Scores",
            "sembench.data.dataset": "Dataset Split make_dataset",
            "sembench.results.result": "Result read_result",
            "sembench.suites.suite": "load_suite",
            "sembench.plugins.registry": "EXPLAINERS METRICS DATASETS BACKBONES FIGURES",
            "sembench.errors": "SembenchError",
        },
    )
