"""A suite with the command line's settings in place of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.suite import Suite


def overridden(suite: Suite, *, epochs: int | None, variants: bool, batch_size: int | None) -> Suite:
    """The suite with the command line's settings in place of its own; they become part of every result."""
    evaluation = suite.evaluation.model_copy(update={"variants": variants or suite.evaluation.variants})
    if batch_size is not None:
        evaluation = evaluation.model_copy(update={"batch_size": batch_size})
    update: dict[str, object] = {"evaluation": evaluation}
    if epochs is not None:
        update["training"] = suite.training.model_copy(update={"epochs": epochs})
        update["datasets"] = tuple(
            spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": epochs})})
            if spec.training
            else spec
            for spec in suite.datasets
        )
    return suite.model_copy(update=update)


def with_backbone(suite: Suite, *, name: str | None, weights: str | None, blocks: list[str], frozen: bool) -> Suite:
    """The suite on another network, or on its own with other weights or blocks; on every data set."""
    given = {"name": name, "weights": weights, "blocks": tuple(blocks) or None, "frozen": frozen or None}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        return suite
    from benchmark.suite import BackboneSpec

    replaced = {"weights_sha256"} if weights else set()  # it names the content of the suite's own file

    def changed(spec: BackboneSpec) -> BackboneSpec:
        kept = {} if name else spec.model_dump(exclude_defaults=True, exclude=replaced)
        return BackboneSpec(**{**kept, **changes})

    datasets = tuple(
        spec.model_copy(update={"backbone": changed(spec.backbone)}) if spec.backbone else spec
        for spec in suite.datasets
    )
    return suite.model_copy(update={"backbone": changed(suite.backbone), "datasets": datasets})
