"""Synthetic results: cells with any scores, and a whole suite that looks like a real one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sembench.results.result import Cost, Provenance, Result, digest
from sembench.results.score import Measure, NotApplicable, Score, Scored
from sembench_leaderboard.entries.versions import current_versions

MEASURES = {
    "accuracy": ("Accuracy", "higher", 0, 1, "", "test image"),
    "accuracy_train": ("Training accuracy", "higher", 0, 1, "", "training image"),
    "accuracy_gap": ("Accuracy gap", "higher", -100, 100, "points", "test image"),
    "ghosting": ("Ghosting", "lower", 0, 1, "", "prototype"),
    "lrp_kl": ("LRP-KL", "lower", 0, None, "nats", "explained image"),
    "ro_auroc": ("RO-AUROC", "higher", 0, 1, "", "explained image"),
    "ro_auroc_gain": ("RO gain", "higher", -1, 1, "", "explained image"),
    "diversity": ("Diversity", "lower", 0, 1, "", "prototype"),
    "alignment_class": ("Class cosine", "higher", -1, 1, "", "prototype"),
    "alignment_out": ("Out-of-class cosine", "lower", -1, 1, "", "prototype"),
    "attributes_captured": ("Attributes captured", "higher", 0, 1, "", "attribute"),
    "attribute_correlation": ("Attribute correlation error", "lower", 0, 2, "", "attribute"),
}


def measure(metric: str, **changes: Any) -> Measure:
    """What a metric of the suite, or a third party's, declares; in the version that sembench has."""
    default = (metric.title(), "higher", None, None, "", "explained image")
    title, direction, lower, upper, unit, per = MEASURES.get(metric, default)
    fields: dict[str, Any] = {
        "title": title, "direction": direction, "lower": lower, "upper": upper, "unit": unit, "per": per,
        "version": current_versions().get(metric, 1),
        "reference": f"[K] on {title}", "chance_is": "what a guess would score", "note": f"How {title} is defined.",
    }  # fmt: skip
    return Measure(**(fields | changes))


def scored(metric: str, values: Iterable[float], **fields: Any) -> Scored:
    return Scored(measure=measure(metric), values=tuple(float(value) for value in values), **fields)


def not_applicable(metric: str, reason: str) -> NotApplicable:
    return NotApplicable(measure=measure(metric), reason=reason)


def cost(**changes: Any) -> Cost:
    fields: dict[str, Any] = {
        "backbone_seconds": 61.5, "fit_seconds": 1.25, "fit_passes": 12, "fit_images": 1437,
        "predict_seconds_per_image": 0.0021, "explain_seconds_per_image": 0.0153, "explain_images": 2.0,
        "evaluation_passes": 310, "evaluation_images": 25_432, "peak_memory_bytes": 512 * 2**20,
        "parameters": 1_220_000, "own_parameters": 25_600, "hyperparameters": 3,
    }  # fmt: skip
    return Cost(**(fields | changes))


def provenance(**changes: Any) -> Provenance:
    fields: dict[str, Any] = {
        "created": "2026-01-01T00:00:00+00:00", "sembench": "0.1.0", "python": "3.11.7", "packages": {"torch": "2.9.0"},
        "sources": {}, "dataset_sha256": "d" * 64, "dataset_statistics": {"mean": (0.3,), "std": (0.4,)},
        "dataset_sizes": {"train": 1437, "test": 360}, "dataset_licence": "BSD-3-Clause", "classes": 10,
        "backbone_sha256": "b" * 64, "model_sha256": "e" * 64,
        "backbone_training": {"name": "resnet10-narrow", "weights": "none", "epochs": 8, "learning_rate": 0.05},
        "device": "cpu", "threads": 2, "deterministic": True, "batch_size": 100, "hardware": {}, "seeds": {},
    }  # fmt: skip
    return Provenance(**(fields | changes))


def result(
    scores: dict[str, Score],
    *,
    explainer: str = "kmex",
    dataset: str = "digits",
    seed: int = 0,
    suite: str = "quick",
    kind: str = "explainer",
    settings: dict[str, Any] | None = None,
    explained: Sequence[int] = (1, 2, 3),
    spent: Cost | None = None,
    **changes: Any,
) -> Result:
    """One cell; further keywords go into its provenance."""
    asked = {"explainer": {"name": explainer}, "seed": seed, "training": {"epochs": 8}} | (settings or {})
    return Result(
        suite=suite, dataset=dataset, explainer=explainer, kind=kind, seed=seed, identity=digest(asked),
        settings=asked, hyperparameters={"prototypes_per_class": 5}, explained_images=tuple(explained), scores=scores,
        cost=spent or cost(), provenance=provenance(**changes),
    )  # fmt: skip


# How good a method is: accuracy gap, share ghosted, KL, RO-AUROC, diversity score. None: does not apply.
SKILL: dict[str, tuple[str, tuple[float | None, ...]]] = {
    "blackbox": ("reference", (0.0, None, 0.0, 0.71, None)),
    "b234": ("explainer", (-3.1, 0.12, 0.21, 0.58, 0.33)),
    "b4": ("explainer", (-0.4, 0.04, 0.14, 0.66, 0.21)),
    "cnn": ("explainer", (0.0, None, 0.0, 0.71, 0.08)),
    "flint": ("explainer", (-2.2, 0.3, 0.55, 0.42, 0.88)),
    "kmex": ("explainer", (-0.1, 0.0, 3e-4, 0.70, 0.002)),
    "protopnet": ("explainer", (-1.3, 0.24, 0.34, 0.51, 0.45)),
    "protovae": ("explainer", (0.9, 0.02, 0.40, 0.61, 0.12)),
    "kmex(flint)": ("explainer", (-2.1, 0.0, 0.50, 0.44, 0.01)),
    "chance": ("control", (-80.0, 0.1, 0.63, 0.10, 0.99)),
    "collapsed": ("control", (-0.2, 0.8, 6e-4, 0.70, 0.31)),
    "shuffled": ("control", (-0.1, 0.0, 0.17, 0.55, 0.002)),
}


def cell(
    explainer: str, dataset: str, seed: int, *, test: int = 360, explained: int = 100, variants: bool = False
) -> Result:
    """One cell of a suite that looks like a real one: ten metrics, some of which do not apply."""
    kind, (gap, ghosted, kl, auroc, spread) = SKILL.get(explainer, ("explainer", (-1.0, 0.1, 0.3, 0.6, 0.2)))
    rng = np.random.default_rng([len(dataset), seed, *explainer.encode()])
    images = np.random.default_rng(len(dataset)).random(test) < 0.05
    right = np.where(images, rng.random(test) < 0.4, rng.random(test) < 1.0 + (gap or 0.0) / 100 - 0.003)
    black_box = np.where(images, rng.random(test) < 0.4, rng.random(test) < 0.997)
    difference = 100.0 * (right.astype(float) - black_box) * (explainer not in ("blackbox", "cnn"))
    scores: dict[str, Score] = {
        "accuracy": scored("accuracy", right, chance=0.1),
        "accuracy_train": scored("accuracy_train", rng.random(test) < 0.995 + min(gap or 0.0, 0.0) / 100, chance=0.1),
        "accuracy_gap": scored("accuracy_gap", difference),
    }
    noise, prototypes = rng.gamma(4, 0.25, explained), 50
    own = scored("lrp_kl", (kl or 0) * noise, chance=tuple(rng.gamma(4, 0.05, explained)))
    scores["lrp_kl"] = own.model_copy(
        update={"variants": {"reverse": tuple(1.3 * v for v in own.values)} if variants else {}}
    )
    area = np.clip((auroc or 0) + rng.normal(0, 0.08, explained), 0, 1)
    random = np.clip((auroc or 0) * 0.75 + rng.normal(0, 0.05, explained), 0, 1)
    scores["ro_auroc"] = scored("ro_auroc", area, chance=tuple(random.tolist()))
    scores["ro_auroc_gain"] = scored("ro_auroc_gain", area - random, chance=0.0)
    if ghosted is None:
        reason = "its prototypes are the classifier's columns" if explainer == "cnn" else "it has no prototypes"
        scores["ghosting"] = not_applicable("ghosting", reason)
    else:
        scores["ghosting"] = scored("ghosting", rng.random(prototypes) < ghosted)
    if spread is None:
        for name in ("diversity", "alignment_class", "alignment_out"):
            scores[name] = not_applicable(name, "it has no prototypes")
    else:
        scores["diversity"] = scored("diversity", np.clip(spread * rng.gamma(16, 1 / 16, prototypes), 0, 1))
        cosines = np.clip(rng.normal(0.8, 0.05, prototypes), -1, 1)
        scores["alignment_class"] = scored("alignment_class", cosines, chance=tuple((cosines / 4).tolist()))
        scores["alignment_out"] = scored("alignment_out", cosines / 4)
    sample = np.random.default_rng([seed, len(dataset)]).permutation(test)[:explained]
    whole = result(
        scores, explainer=explainer, dataset=dataset, seed=seed, kind=kind, explained=sorted(sample.tolist()),
        dataset_sha256=dataset.ljust(64, "0"), backbone_sha256=f"{dataset}{seed}".ljust(64, "0"),
        dataset_sizes={"train": test, "test": test},
    )  # fmt: skip
    of = explainer.removeprefix("kmex(").removesuffix(")")
    return whole if of == explainer else whole.model_copy(update={"hyperparameters": {"of": of, "base": {}}})


def suite_of(explainers: Iterable[str], datasets: Iterable[str], seeds: Iterable[int], **sizes: Any) -> list[Result]:
    """A cell for each explainer, data set and seed."""
    datasets, seeds = list(datasets), list(seeds)
    return [
        cell(explainer, dataset, seed, **sizes) for explainer in explainers for dataset in datasets for seed in seeds
    ]


EVIL = """</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"'&amp; {{ 7 * 7 }}"""


def evil(text=EVIL):
    """Results with this text wherever a file could have any, and in labels, where a file could not."""
    metrics = {}
    for metric in ("accuracy_gap", "ghosting", f"{text}metric"):
        said = measure(metric, title=f"{text}title", reference=text, chance_is=text, note=text, unit=text[:200])
        score = scored(metric, [0.5, 1.0], chance=0.1, variants={f"{text}variant": (0.1, 0.2)})
        metrics[metric] = score.model_copy(update={"measure": said})
    metrics["lrp_kl"] = not_applicable("lrp_kl", f"{text}reason")
    found = []
    for seed in (0, 1):
        one = result(
            metrics, seed=seed, settings={f"{text}setting": text}, dataset_licence=text, device=text, created=text,
            packages={text: text}, hardware={text: text}, sources={f"{text}source": text}, model_sha256=text,
            backbone_training={"name": text, text: text},
        )  # fmt: skip
        labels = {"explainer": f"kmex{text}", "dataset": f"digits{text}", "hyperparameters": {f"{text}name": text}}
        found.append(one.model_copy(update=labels))
    return found
