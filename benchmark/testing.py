"""Does an explainer keep its promises? The contract checks that every entry of the registry has to pass.

Public for authors of plugins::

    import pytest
    from benchmark.testing import CHECKS, digits_case

    @pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
    def test_my_explainer_keeps_the_contract(check):
        check(MyExplainer(), digits_case())

A check raises `benchmark.errors.ContractBroken`, which says which promise is broken and what was seen.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from benchmark.cache import tensors_sha256
from benchmark.data.dataset import Dataset, Split
from benchmark.data.digits import digits
from benchmark.errors import ContractBroken, NotOffered
from benchmark.explainer import Explainer, SelfExplainableModel
from benchmark.models.backbone import Backbone, built, freeze
from benchmark.models.resnet import resnet10_narrow
from benchmark.seeding import isolated
from benchmark.types import SHARED, Batch, Capability, Explanation, check_explanation, check_finite, check_shape

_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Case:
    """A small real problem to check an explainer on.

    Attributes:
        backbone: A frozen black box, untrained but with batch-norm statistics of the data.
        dataset: A data set of a few hundred images.
        batch: Some of its test images.
    """

    backbone: Backbone
    dataset: Dataset
    batch: Batch


@lru_cache(maxsize=1)
def digits_case() -> Case:
    """300 training and 40 test digits of 40 pixels, and a compact ResNet."""
    whole = digits()
    dataset = dataclasses.replace(whole, train=_head(whole.train, 300), test=_head(whole.test, 40))
    with isolated(0):
        backbone = built(partial(resnet10_narrow, dataset.n_classes))
    with torch.no_grad():
        for batch in dataset.train.batches(100):
            backbone.train()(batch.images)
    return Case(freeze(backbone), dataset, dataset.test.batch(torch.arange(12)))


def _head(split: Split, count: int) -> Split:
    return dataclasses.replace(split, pixels=split.pixels[:count], labels=split.labels[:count])


def _fit(explainer: Explainer, case: Case, seed: int = 0) -> SelfExplainableModel:
    source = torch.Generator().manual_seed(seed)
    return explainer.fit(case.backbone, case.dataset.train, generator=source).eval()


def _explain(model: SelfExplainableModel, images: Tensor) -> Explanation:
    with torch.no_grad():
        return model(images)  # type: ignore[no-any-return]


def _require(kept: bool, explainer: Explainer, promise: str, seen: str) -> None:
    if not kept:
        raise ContractBroken(f"{type(explainer).__name__}: {promise}, but {seen}.")


def _close(a: Tensor, b: Tensor) -> bool:
    scale = max(1.0, float(a.abs().max())) if a.numel() else 1.0
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE * scale))


def check_recipe(explainer: Explainer, case: Case) -> None:
    """A recipe is a frozen dataclass whose fields can be written as JSON."""
    frozen = dataclasses.is_dataclass(explainer) and explainer.__dataclass_params__.frozen  # type: ignore[attr-defined]
    _require(frozen, explainer, "a recipe is a frozen dataclass", "this one can be changed after it was made")
    try:
        json.dumps(explainer.hyperparameters(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractBroken(f"{type(explainer).__name__}: hyper-parameters must be JSON, but {error}.") from error
    undeclared = frozenset(explainer.lacks) & explainer.supports
    _require(not undeclared, explainer, "a capability is supported or lacking", f"{set(undeclared)} is both")


def check_shapes(explainer: Explainer, case: Case) -> None:
    """Everything that is declared comes out in the right shape, and finite."""
    model, who, classes = _fit(explainer, case), type(explainer).__name__, case.dataset.n_classes
    prototypes, images = model.prototypes, case.batch.images
    explanation = _explain(model, images)
    check_explanation(explanation, len(images), classes, prototypes, who)
    check_finite("prototypes", prototypes.vectors, who)
    inside = (prototypes.classes >= SHARED) & (prototypes.classes < classes)
    _require(bool(inside.all()), explainer, f"prototype classes lie in [-1, {classes})", f"{prototypes.classes}")
    has_prototypes = Capability.SIMILARITIES in explainer.supports
    _require(has_prototypes == (len(prototypes) > 0), explainer, "prototypes are declared", f"P is {len(prototypes)}")
    if Capability.PROTOTYPE_SIMILARITIES in explainer.supports:
        similarities = model.prototype_similarities()
        check_shape("prototype_similarities", similarities, (len(prototypes), len(prototypes)), who)
        check_finite("prototype_similarities", similarities, who)
    if Capability.EMBEDDINGS in explainer.supports:
        points = model.embed(images)
        check_shape("embeddings", points, (len(images), prototypes.vectors.shape[1], *points.shape[2:]), who)
    if Capability.ATTRIBUTION in explainer.supports:
        relevance = model.attribute(images)
        check_shape("relevance", relevance, (len(images), *images.shape[2:]), who)
        check_finite("relevance", relevance, who)


def check_optional(explainer: Explainer, case: Case) -> None:
    """What a method may show of single prototypes comes out in the right shape, or is not offered, in words."""
    model, images, who = _fit(explainer, case), case.batch.images, type(explainer).__name__
    count = len(model.prototypes)
    if count == 0:
        return
    picks = torch.arange(len(images)) % count
    shapes: dict[str, tuple[Callable[[], Tensor], tuple[int, ...]]] = {
        "relevance of prototypes": (lambda: model.attribute_prototypes(images, picks), images[:, 0].shape),
        "decoded prototypes": (lambda: model.decode(model.prototypes.vectors), (count, *images.shape[1:])),
        "prototype_origins": (model.prototype_origins, (count, 3)),
    }
    for what, (ask, shape) in shapes.items():
        try:
            answer = ask()
        except NotOffered as reason:
            _require(bool(str(reason)), explainer, f"what is not offered has a reason ({what})", "there is none")
        else:
            check_shape(what, answer, tuple(shape), who)
            check_finite(what, answer, who)


def check_probabilities(explainer: Explainer, case: Case) -> None:
    """Class probabilities are probabilities, and follow from the explanation alone."""
    if Capability.PROBABILITIES not in explainer.supports:
        return
    model = _fit(explainer, case)
    with torch.no_grad():
        direct = model.probabilities(case.batch.images)
    check_shape("probabilities", direct, (len(case.batch), case.dataset.n_classes), type(explainer).__name__)
    sums = direct.sum(1)
    valid = bool((direct >= 0).all()) and _close(sums, torch.ones_like(sums))
    _require(valid, explainer, "probabilities are non-negative and sum to 1", f"sums run to {sums.max():.3g}")
    derived = model.class_probabilities(_explain(model, case.batch.images))
    _require(_close(direct, derived), explainer, "probabilities follow from the explanation", "the two differ")


def check_batch_independence(explainer: Explainer, case: Case) -> None:
    """An image gets the same answer alone, in a batch, and in another order."""
    model, images = _fit(explainer, case), case.batch.images
    backwards = torch.arange(len(images) - 1, -1, -1)
    whole = _explain(model, images)
    for name, other in {
        "alone": torch.cat([_explain(model, image[None]).class_scores for image in images]),
        "in another order": _explain(model, images[backwards]).class_scores[backwards],
    }.items():
        _require(_close(whole.class_scores, other), explainer, "scores belong to the image", f"they differ {name}")
    if Capability.ATTRIBUTION in explainer.supports:
        maps = model.attribute(images)
        alone = torch.cat([model.attribute(image[None]) for image in images])
        _require(_close(maps, alone), explainer, "relevance belongs to the image", "it differs alone and in a batch")


def check_determinism(explainer: Explainer, case: Case) -> None:
    """The same seed gives the same model, and the same model the same answer, to the last bit."""
    first, second = _fit(explainer, case), _fit(explainer, case)
    same = tensors_sha256(first.fitted_state()) == tensors_sha256(second.fitted_state())
    _require(same, explainer, "one seed gives one model", "two fits with the same generator differ")
    answers = [_explain(first, case.batch.images).class_scores for _ in range(2)]
    _require(torch.equal(*answers), explainer, "one model gives one answer", "two calls differ")
    if Capability.ATTRIBUTION in explainer.supports:
        maps = [first.attribute(case.batch.images) for _ in range(2)]
        _require(torch.equal(*maps), explainer, "one model gives one relevance map", "two calls differ")


def check_no_trace(explainer: Explainer, case: Case) -> None:
    """Fit and use leave the backbone, the batch and the global random streams as they were, and no hook behind."""
    before = _fingerprint(case)
    model = _fit(explainer, case)
    _explain(model, case.batch.images)
    if Capability.ATTRIBUTION in explainer.supports:
        model.attribute(case.batch.images)
    after = _fingerprint(case)
    for what, old in before.items():
        _require(old == after[what], explainer, f"{what} stay as they were", "they changed")
    hooks = [name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks]
    _require(not hooks, explainer, "no hook stays behind", f"there are hooks on {hooks}")


def _fingerprint(case: Case) -> dict[str, object]:
    backbone, state = case.backbone, np.random.get_state(legacy=False)
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in backbone.modules())
    return {
        "the backbone's weights": tensors_sha256(backbone.state_dict()),
        "the backbone's modes": [(m.training, type(m).__name__) for m in backbone.modules()],
        "the backbone's gradient flags": [p.requires_grad for p in backbone.parameters()],
        "the backbone's hooks": hooks,
        "the batch's images": tensors_sha256({"images": case.batch.images}),
        "torch's global random stream": tensors_sha256({"state": torch.get_rng_state()}),
        "NumPy's global random stream": repr(state),
        "Python's global random stream": random.getstate(),
    }


def check_round_trip(explainer: Explainer, case: Case) -> None:
    """A model that was stored as safetensors and restored gives the same answers."""
    model = _fit(explainer, case)
    stored = safetensors.torch.load(safetensors.torch.save(model.fitted_state()))
    restored = explainer.restore(case.backbone, stored).eval()
    a, b = (_explain(m, case.batch.images) for m in (model, restored))
    same = torch.equal(a.class_scores, b.class_scores) and torch.equal(a.similarities, b.similarities)
    _require(same, explainer, "a restored model gives the same answers", "they differ")
    if Capability.ATTRIBUTION in explainer.supports:
        maps = [m.attribute(case.batch.images) for m in (model, restored)]
        _require(torch.equal(*maps), explainer, "a restored model gives the same relevance", "it differs")


CHECKS: dict[str, Callable[[Explainer, Case], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_recipe,
        check_shapes,
        check_optional,
        check_probabilities,
        check_batch_independence,
        check_determinism,
        check_no_trace,
        check_round_trip,
    )
}
"""All checks by name; each takes a recipe and a case."""
