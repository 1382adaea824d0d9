"""A hundred submissions that are malformed or dishonest: each is refused, by a message that names file and field."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import sembench_leaderboard.submission.validate as validator
from places import ROOT
from sembench.errors import SembenchError
from sembench.plugins.registry import METRICS
from sembench.results.result import digest
from sembench.suites.suite import load_suite
from sembench_leaderboard.entries.declared import declared
from sembench_leaderboard.submission import files as tree
from sembench_leaderboard.submission.records import Recomputed, write_manifest, write_marks
from sembench_leaderboard.submission.validate import validate

MINE = "quick/digits/mine/seed-0.json"
MANIFEST = "manifests/quick/mine.json"
BIRDS = ROOT / "leaderboard/suites/birds.toml"


def scores(name, change):
    """Edits the scores of one metric."""
    return lambda s: s.edit(lambda content: change(content["scores"][name]))


def put(*keys, value, sign=True):
    """Edits one field."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return lambda s: s.edit(change, sign=sign)


def drop(*keys):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return lambda s: s.edit(change)


def first(metric, value):
    """Edits the first value of a metric."""
    return scores(metric, lambda score: score["values"].__setitem__(0, value))


def raw(metric, text):
    """Puts text that is no JSON number in place of a metric's first value."""
    return lambda s: (first(metric, 12345.678)(s), s.replace("12345.678", text))


def write(place, content=b"{}"):
    def act(s):
        path = s.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return act


def link(s):
    target = s.root.parent / "elsewhere.json"
    shutil.move(s.path(), target)
    s.path().symlink_to(target)


def link_of_a_folder(s):
    shutil.move(s.root / "quick/digits", s.root.parent / "digits")
    (s.root / "quick/digits").symlink_to(s.root.parent / "digits")


def huge(s):
    with s.path().open("r+b") as file:
        file.truncate(tree.MAX_BYTES + 1)


def moved(target):
    return lambda s: (
        (s.root / target).parent.mkdir(parents=True, exist_ok=True),
        shutil.move(s.path(), s.root / target),
    )


def pickle_in_it(s):
    write("quick/digits/mine/model.pkl", b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")(s)


def copied(seed_from, seed_to):
    """One seed's numbers under another seed."""

    def act(s):
        content = json.loads(s.path(f"seed-{seed_from}.json").read_text())
        content["seed"] = content["settings"]["seed"] = seed_to
        s.path(f"seed-{seed_to}.json").write_text(json.dumps(content))
        s.edit(lambda content: None, f"seed-{seed_to}.json")

    return act


def of_another_entry(s):
    for name in ("seed-0.json", "seed-1.json"):
        other = json.loads((s.base / "quick/digits/flint" / name).read_text())
        s.edit(lambda content, other=other: content.update(scores=other["scores"]), name)


def an_accepted_entry(change):
    """The base's kmex, with one of its results changed."""

    def act(s):
        shutil.copytree(s.base / "quick/digits/kmex", s.root / "quick/digits/kmex")
        change(s.root / "quick/digits/kmex/seed-0.json")

    return act


def better_faithfulness(path):
    content = json.loads(path.read_text())
    content["scores"]["lrp_kl"]["values"] = [value / 2 for value in content["scores"]["lrp_kl"]["values"]]
    path.write_text(json.dumps(content))


def other_licence(path):
    content = json.loads(path.read_text())
    content["provenance"]["dataset_licence"] = "CC0"
    path.write_text(json.dumps(content))


RUN = Recomputed(
    created="2026-01-01T00:00:00+00:00", device="cpu", processor="x", torch="2", agreement="bit for bit",
    differences={"accuracy": 0.0},
)  # fmt: skip


def marked(s):
    write_marks(s.root, {Path(MINE): RUN})


def manifest(change):
    def act(s):
        content = json.loads((s.root / MANIFEST).read_text())
        change(content)
        (s.root / MANIFEST).write_text(json.dumps(content))

    return act


def fewer_images(s):
    def change(content):
        for score in content["scores"].values():
            if score["measure"]["per"] == "test image":
                score["values"] = score["values"][:300]
                score["chance"] = score["chance"] if isinstance(score["chance"], float) else score["chance"][:300]

    s.edit(change)


def twins(s):
    shutil.copytree(s.root / "quick/digits/mine", s.root / "quick/digits/Mine")


def as_bytes(change):
    """Edits the bytes of a result."""
    return lambda s: (s.path().write_bytes(change(s.path().read_bytes())), s.pack())


def named(label):
    """The whole entry under another label."""

    def act(s):
        shutil.rmtree(s.root / "manifests")
        (s.root / "quick/digits/mine").rename(s.root / "quick/digits" / label)
        for path in (s.root / "quick/digits" / label).iterdir():
            path.write_text(json.dumps({**json.loads(path.read_text()), "explainer": label}))
        write_manifest(s.root, "quick", label, "my_package:Mine (my-package 0.1)")

    return act


def not_applicable(metric, *seeds):
    """A metric that is said not to apply."""

    def change(content):
        measure = content["scores"][metric]["measure"]
        reason = "one need not measure this"
        content["scores"][metric] = {"status": "not applicable", "measure": measure, "reason": reason}

    return lambda s: [s.edit(change, f"seed-{seed}.json") for seed in seeds]


def right_everywhere(s):
    """The first wrong image becomes a right one, while the gap stays: another black box."""

    def change(content):
        accuracy, gap = content["scores"]["accuracy"]["values"], content["scores"]["accuracy_gap"]["values"]
        index = accuracy.index(0)
        accuracy[index], gap[index] = 1, 0
        content["scores"]["accuracy_gap"]["chance"][index] = -90.0

    s.edit(change, "seed-1.json")


def one_prototype_of_fifty(s):
    s.edit(lambda content: content["scores"]["ghosting"].update(values=[0]))


def deep(s):
    s.replace('"settings": {', '"settings": {"x": ' + "[" * 500 + "]" * 500 + ", ")


CASES = {
    # numbers that are none
    "NaN": (raw("lrp_kl", "NaN"), MINE, "scores.lrp_kl.values.0", "NaN is not a number of JSON"),
    "infinity": (raw("lrp_kl", "Infinity"), MINE, "scores.lrp_kl.values.0", "Infinity is not a number"),
    "minus infinity": (raw("lrp_kl", "-Infinity"), MINE, "scores.lrp_kl.values.0", "-Infinity is not a number"),
    "beyond range": (raw("lrp_kl", "1e999"), MINE, "scores.lrp_kl.values.0", "1e999 is beyond the range"),
    "endless integer": (raw("lrp_kl", "9" * 5000), MINE, "scores.lrp_kl.values.0", "too long for a number"),
    "number as text": (first("lrp_kl", "0.1"), MINE, "scores.lrp_kl.scored.values.0", "valid number"),
    "true as a number": (first("accuracy", True), MINE, "scores.accuracy.scored.values.0", "valid number"),
    "nothing": (first("lrp_kl", None), MINE, "scores.lrp_kl.scored.values.0", "valid number"),
    "no scores": (scores("lrp_kl", lambda s: s.update(values=[])), MINE, "scores.lrp_kl.scored.values", "at least 1"),
    # out of range
    "above the range": (first("accuracy", 1.5), MINE, "scores.accuracy.scored", "1.5 is above the declared"),
    "below the range": (first("lrp_kl", -0.5), MINE, "scores.lrp_kl.scored", "-0.5 is below the declared"),
    "half a ghost": (first("ghosting", 0.5), MINE, "scores.ghosting.values.0", "every value is 0 or 1"),
    "mean in place of images": (
        scores("accuracy", lambda s: s.update(values=[0.999] * len(s["values"]))),
        MINE, "scores.accuracy.values.0", "every value is 0 or 1",
    ),
    # malformed files
    "key twice": (lambda s: s.replace('"seed": 0', '"seed": 1, "seed": 0'), MINE, "seed", "stands twice"),
    "nested key twice": (
        lambda s: s.replace('"classes": 10', '"classes": 10, "classes": 2'), MINE, "provenance.classes", "stands twice",
    ),
    "deep nesting": (deep, MINE, "the file", "nested more than 16 levels"),
    "huge file": (huge, MINE, "size", "more than 8,388,608"),
    "half a file": (lambda s: s.path().write_bytes(s.path().read_bytes()[:5000]), MINE, "the file", "is not JSON"),
    "empty file": (lambda s: s.path().write_bytes(b""), MINE, "the file", "is not JSON"),
    "not UTF-8": (lambda s: s.path().write_bytes(b'{"suite": "\xff\xfe"}'), MINE, "the file", "is not JSON in UTF-8"),
    "a list": (lambda s: s.path().write_bytes(b"[]"), MINE, "the file", "should be an object"),
    "unknown field": (put("trust_me", value=1), MINE, "trust_me", "Extra inputs are not permitted"),
    "missing field": (drop("cost", "fit_passes"), MINE, "cost.fit_passes", "Field required"),
    "other schema": (put("schema_version", value=2), MINE, "schema_version", "Input should be 1"),
    "a mark of byte order": (as_bytes(lambda b: b"\xef\xbb\xbf" + b), MINE, "the file", "is not JSON"),
    "sixteen bits a letter": (as_bytes(lambda b: b.decode().encode("utf-16")), MINE, "the file", "is not JSON"),
    "a second document": (as_bytes(lambda b: b + b"{}"), MINE, "the file", "is not JSON"),
    "a zero byte": (as_bytes(lambda b: b + b"\0"), MINE, "the file", "is not JSON"),
    "a seed with a point": (lambda s: s.replace('"seed": 0', '"seed": 0.0'), MINE, "seed", "valid integer"),
    "a seed that is false": (lambda s: s.replace('"seed": 0', '"seed": false'), MINE, "seed", "valid integer"),
    "a seed in settings that is false": (put("settings", "seed", value=False), MINE, "settings.seed", "asks for 0"),
    "a huge seed": (put("seed", value=10**40), MINE, "seed", "too long for a number"),
    "a key twice, once escaped": (
        lambda s: s.replace('"seed": 0', '"s\\u0065ed": 1, "seed": 0'), MINE, "seed", "stands twice",
    ),
    "a key in another case": (lambda s: s.replace('"seed": 0', '"Seed": 1, "seed": 0'), MINE, "Seed", "not permitted"),
    "NaN in quotes": (first("lrp_kl", "NaN"), MINE, "scores.lrp_kl.scored.values.0", "valid number"),
    # text
    "markup in a name": (
        scores("ro_auroc", lambda s: s["variants"].update({"<script>alert(1)</script>": s["values"]})),
        MINE, "scores.ro_auroc.variants.<script>alert(1)</script>", "is no name",
    ),
    "markup in a label": (put("explainer", value="<b>best</b>"), MINE, "explainer", "holds markup"),
    "markup in a text": (
        put("provenance", "dataset_licence", value="<img src=x onerror=alert(1)>"),
        MINE, "provenance.dataset_licence", "holds markup",
    ),
    "a link in a text": (
        put("provenance", "hardware", value={"processor": "[fast](http://example.org)"}),
        MINE, "provenance.hardware.processor", "holds markup",
    ),
    "control characters": (
        put("provenance", "dataset_licence", value="CC0\x1b[2J"), MINE, "provenance.dataset_licence", "control",
    ),
    "reversed text": (
        put("provenance", "python", value="3.11\u202e"), MINE, "provenance.python", "invisible characters",
    ),
    "letters without width": (
        put("provenance", "dataset_licence", value="CC\u200b0"), MINE, "provenance.dataset_licence", "invisible",
    ),
    "half a letter": (
        lambda s: s.replace('"dataset_licence": "', '"dataset_licence": "\\ud800'),
        MINE, "provenance.dataset_licence", "invisible",
    ),
    "piled accents": (
        put("provenance", "dataset_licence", value="CC0" + "\u0301" * 40),
        MINE, "provenance.dataset_licence", "combining characters",
    ),
    "endless text": (
        put("provenance", "dataset_licence", value="x" * 5000), MINE, "provenance.dataset_licence", "5,000 characters",
    ),
    # places
    "path trick in a label": (put("explainer", value="../../../kmex"), MINE, "explainer", "match pattern"),
    "path trick in a manifest": (
        manifest(lambda m: m["files"].update({"../../etc/passwd": "0" * 64})),
        MANIFEST, "files.../../etc/passwd", "is no name",
    ),
    "markup in a folder": (
        moved("quick/digits/<b>mine/seed-0.json"), "quick/digits/<b>mine/seed-0.json", "name", "is no name",
    ),
    "name of a device": (named("CON"), "quick/digits/CON/seed-0.json", "name", "cannot be the name of a file"),
    "name of a device with an ending": (named("nul.x"), "quick/digits/nul.x/seed-0.json", "name", "cannot be the name"),
    "dot at the end": (named("mine."), "quick/digits/mine./seed-0.json", "name", "cannot be the name of a file"),
    "letters of another alphabet": (
        moved("quick/digits/k\u043cex/seed-0.json"), "quick/digits/k\u043cex/seed-0.json", "name", "is no name",
    ),
    "name from right to left": (
        moved("quick/digits/mine\u202e/seed-0.json"), "quick/digits/mine\u202e/seed-0.json", "name", "is no name",
    ),
    "name that is not UTF-8": (
        lambda s: Path(os.fsdecode(os.fsencode(s.root / "quick") + b"/\xff.json")).write_bytes(b"{}"),
        "quick/\udcff.json", "name", "is no name",
    ),
    "another case of an accepted entry": (
        named("KMEx"), "quick/digits/KMEx/seed-0.json", "explainer", "upper and lower case only",
    ),
    "hidden file": (write("quick/.htaccess"), "quick/.htaccess", "name", "is no name"),
    "link to a file": (link, MINE, "type", "symbolic link"),
    "link to a folder": (link_of_a_folder, "quick/digits", "type", "symbolic link"),
    "executable": (lambda s: s.path().chmod(0o755), MINE, "type", "is executable"),
    "a pickle": (pickle_in_it, "quick/digits/mine/model.pkl", "place", "is not <suite>/<data set>/<entry>/seed-"),
    "code": (write("quick/digits/mine/setup.py"), "quick/digits/mine/setup.py", "place", "is not <suite>/"),
    "too deep": (write("quick/digits/mine/a/seed-0.json"), "quick/digits/mine/a", "place", "deeper than"),
    "seed with a zero before it": (
        moved("quick/digits/mine/seed-00.json"), "quick/digits/mine/seed-00.json", "place", "is not <suite>/",
    ),
    "another seed's place": (moved("quick/digits/mine/seed-5.json"), "quick/digits/mine/seed-5.json", "seed", "holds"),
    "another entry's place": (
        moved("quick/digits/other/seed-0.json"), "quick/digits/other/seed-0.json", "explainer", "lies under 'other'",
    ),
    "two cases of one name": (twins, "quick/digits/Mine/seed-0.json", "name", "upper and lower case only"),
    # versions
    "another version of sembench": (
        put("provenance", "sembench", value="0.0.9"), MINE, "provenance.sembench", "'0.0.9', this is version",
    ),
    "another version of a metric": (
        scores("lrp_kl", lambda s: s["measure"].update(version=99)), MINE, "scores.lrp_kl.measure.version", "is 99",
    ),
    "an older version of a metric": (
        scores("lrp_kl", lambda s: s["measure"].update(version=0)), MINE, "scores.lrp_kl.measure.version", "is 0",
    ),
    "a flipped direction": (
        scores("lrp_kl", lambda s: s["measure"].update(direction="higher")),
        MINE, "scores.lrp_kl.measure.direction", "is 'higher'",
    ),
    "a wider range": (
        scores("diversity", lambda s: s["measure"].update(lower=-1)), MINE, "scores.diversity.measure.lower", "is -1",
    ),
    "an unknown metric": (
        lambda s: s.edit(lambda c: c["scores"].update(beauty=c["scores"]["accuracy"])),
        MINE, "scores.beauty", "no metric of this version",
    ),
    # completeness and settings
    "missing seed": (lambda s: s.path("seed-1.json").unlink(), MINE.replace("0.j", "1.j"), "seed", "is missing"),
    "surplus seed": (copied(1, 7), MINE.replace("0.j", "7.j"), "seed", "does not ask for 'digits' with seed 7"),
    "missing metric": (drop("scores", "ghosting"), MINE, "scores.ghosting", "is missing: the suite quick asks for it"),
    "unknown suite": (put("suite", value="quicker"), MINE, "suite", "lies under 'quick', but holds 'quicker'"),
    "longer training": (
        put("settings", "training", "epochs", value=80), MINE, "settings.training.epochs", "asks for 8",
    ),
    "easier evaluation": (
        put("settings", "evaluation", "steps", value=2), MINE, "settings.evaluation.steps", "asks for 32",
    ),
    "other images": (
        put("settings", "dataset", "image_size", value=64), MINE, "settings.dataset.image_size", "asks for 40",
    ),
    "unsigned settings": (put("identity", value="0" * 64, sign=False), MINE, "the file", "the settings hash to"),
    "undeclared hyper-parameter": (
        put("hyperparameters", "prototypes_per_class", value=50), MINE, "hyperparameters.prototypes_per_class", "is 50",
    ),
    "counted as a control": (put("kind", value="control"), MINE, "kind", "counts as 'explainer'"),
    "chosen images": (
        lambda s: s.edit(lambda c: c.update(explained_images=[c["explained_images"][0]] * 100)),
        MINE, "explained_images", "distinct images",
    ),
    "hyper-parameter that is not told": (
        put("hyperparameters", value={}), MINE, "hyperparameters.prototypes_per_class", "is missing",
    ),
    "variants that were not asked for": (
        scores("lrp_kl", lambda s: s.update(variants={"reverse": [0.0] * 100})),
        MINE, "scores.lrp_kl.variants", "do not ask for variants",
    ),
    "coarser curve": (
        scores("ro_auroc", lambda s: s["details"].update({"curve": s["details"]["curve"][::2]})),
        MINE, "scores.ro_auroc.details.curve", "holds 17 points",
    ),
    "accuracy that does not apply": (
        not_applicable("accuracy_train", 0, 1), MINE, "scores.accuracy_train.status", "asks for nothing",
    ),
    "ghosts that do not apply": (
        not_applicable("ghosting", 0, 1), MINE, "scores.ghosting.status", "asks for similarities to prototypes",
    ),
    "relevance that applies to one seed": (
        not_applicable("lrp_kl", 1), MINE.replace("0.j", "1.j"), "scores.lrp_kl.status", "to all seeds or to none",
    ),
    "one prototype of fifty": (one_prototype_of_fifty, MINE, "scores.diversity.values", "ghosting holds 1"),
    "dropped images": (fewer_images, MINE, "scores.accuracy.values", "holds 300 values"),
    # provenance
    "other data": (
        put("provenance", "dataset_sha256", value="0" * 64),
        MINE, "provenance.dataset_sha256", "mixed data of 'digits'",
    ),
    "other number of classes": (
        put("provenance", "classes", value=2), MINE, "scores.accuracy.chance", "guessing one of 2 classes",
    ),
    "other licence": (
        put("provenance", "dataset_licence", value="CC0"), MINE, "provenance.dataset_licence", "mixed descriptions",
    ),
    "licence that is free no more": (
        put("provenance", "dataset_licence_open", value=False),
        MINE, "provenance.dataset_licence_open", "mixed licences",
    ),
    "other normalisation": (
        put("provenance", "dataset_statistics", "mean", value=[0.0, 0.0, 0.0]),
        MINE, "provenance.dataset_statistics.mean", "mixed statistics",
    ),
    "augmented on the quiet": (
        put("provenance", "dataset_augmentation", value="flip"), MINE, "provenance.dataset_augmentation", "mixed",
    ),
    "other derived seeds": (put("provenance", "seeds", "fit", value=1), MINE, "provenance.seeds.fit", "mixed seeds"),
    "no version of Python": (put("provenance", "python", value="new"), MINE, "provenance.python", "is no version"),
    "no device": (put("provenance", "device", value=" "), MINE, "provenance.device", "is empty"),
    "a thread for every star": (put("provenance", "threads", value=10**24), MINE, "provenance.threads", "is possible"),
    "no hash": (put("provenance", "model_sha256", value="secret"), MINE, "provenance.model_sha256", "no SHA-256"),
    "no code": (
        put("provenance", "sources", "explainer", value="unknown"), MINE, "provenance.sources.explainer", "'unknown'",
    ),
    "from the future": (
        put("provenance", "created", value="2999-01-01T00:00:00+00:00"), MINE, "provenance.created", "in the future",
    ),
    "no time zone": (
        put("provenance", "created", value="2026-01-01T00:00:00"), MINE, "provenance.created", "names no time zone",
    ),
    "no training images": (
        put("provenance", "dataset_sizes", "train", value=0), MINE, "provenance.dataset_sizes.train", "not a positive",
    ),
    "fewer explained images": (
        lambda s: s.edit(lambda c: c.update(explained_images=c["explained_images"][:50])),
        MINE, "explained_images", "names 50 images, the settings ask for 100",
    ),
    "an explainer without a name": (put("settings", "explainer", value={}), MINE, "settings.explainer.name", "missing"),
    "parameters that are no table": (
        put("settings", "explainer", "parameters", value=[1]), MINE, "settings.explainer.parameters", "is no table",
    ),
    "no licence": (put("provenance", "dataset_licence", value=" "), MINE, "provenance.dataset_licence", "is empty"),
    "no memory": (put("cost", "peak_memory_bytes", value=0), MINE, "cost.peak_memory_bytes", "no run can be"),
    "no curve": (
        scores("ro_auroc", lambda s: s["details"].pop("curve")), MINE, "scores.ro_auroc.details.curve", "is missing",
    ),
    "a chance level for each image": (
        scores("accuracy", lambda s: s.update(chance=[0.1] * len(s["values"]))),
        MINE, "scores.accuracy_gap.chance", "one number for accuracy",
    ),
    "twenty unknown fields": (
        lambda s: s.edit(lambda c: c.update({f"x{n}": 0 for n in range(20)})), MINE, "the file", "holds 12 more errors",
    ),
    "no time": (put("provenance", "created", value="today"), MINE, "provenance.created", "no time in ISO 8601"),
    "another black box": (
        put("provenance", "backbone_sha256", value="0" * 64), MINE, "provenance.backbone_sha256", "mixed black boxes",
    ),
    "other training than asked for": (
        put("provenance", "backbone_training", "epochs", value=80),
        MINE, "provenance.backbone_training.epochs", "is 80, but the settings ask for 8",
    ),
    "not deterministic": (
        put("provenance", "deterministic", value=False), MINE, "provenance.deterministic", "is false",
    ),
    "no package versions": (put("provenance", "packages", value={}), MINE, "provenance.packages.torch", "no version"),
    "paid back time": (put("cost", "fit_seconds", value=-1.0), MINE, "cost.fit_seconds", "below 0"),
    "more of its own than there is": (
        put("cost", "own_parameters", value=10**9), MINE, "cost.own_parameters", "more than all",
    ),
    "fewer hyper-parameters": (put("cost", "hyperparameters", value=1), MINE, "cost.hyperparameters", "are named"),
    # dishonesty
    "no chance level": (scores("lrp_kl", lambda s: s.update(chance=None)), MINE, "scores.lrp_kl.chance", "is missing"),
    "chance out of range": (
        scores("lrp_kl", lambda s: s.update(chance=[-1.0] * 100)), MINE, "scores.lrp_kl.chance.0", "outside of",
    ),
    "worse black box": (
        right_everywhere, MINE.replace("0.j", "1.j"), "scores.accuracy_gap.values.199", "makes the black box other",
    ),
    "edited accuracy": (
        scores("accuracy", lambda s: s.update(values=[1 - v if i == 3 else v for i, v in enumerate(s["values"])])),
        MINE, "scores.accuracy_gap.values.3", "black box would have scored",
    ),
    "edited robustness": (
        scores("ro_auroc", lambda s: s.update(values=[min(1, v + 0.01) for v in s["values"]])),
        MINE, "scores.ro_auroc.details.curve", "the area under it is",
    ),
    "edited gain": (first("ro_auroc_gain", 0.9), MINE, "scores.ro_auroc_gain.values.0", "ro_auroc minus its chance"),
    "edited cosine": (first("alignment_out", -0.9), MINE, "scores.alignment_out.values.0", "alignment_class's chance"),
    "one seed twice": (copied(0, 1), MINE.replace("0.j", "1.j"), "scores", "every score is that of"),
    "somebody else's scores": (of_another_entry, MINE, "scores", "is that of quick/digits/flint/seed-0.json"),
    "edited accepted score": (
        an_accepted_entry(better_faithfulness), "quick/digits/kmex/seed-0.json", "scores.lrp_kl", "100 of 100 values",
    ),
    "edited accepted provenance": (
        an_accepted_entry(other_licence), "quick/digits/kmex/seed-0.json", "provenance", "every score is the same",
    ),
    "dropped accepted seed": (
        an_accepted_entry(Path.unlink), "quick/digits/kmex/seed-0.json", "the file", "stands in the base (a result)",
    ),
    "changed after packing": (lambda s: s.path().write_text(s.path().read_text() + " "), MINE, "the file", "hashes to"),
    "no manifest": (lambda s: (s.root / MANIFEST).unlink(), MANIFEST, "the file", "is missing: a new entry"),
    "manifest of more than there is": (
        manifest(lambda m: m["files"].update({"quick/digits/mine/seed-9.json": "0" * 64})),
        MANIFEST, "files.quick/digits/mine/seed-9.json", "no result of this entry",
    ),
    "manifest from the future": (
        manifest(lambda m: m.update(created="2999-01-01T00:00:00+00:00")), MANIFEST, "created", "in the future",
    ),
    "manifest of another entry": (manifest(lambda m: m.update(entry="other")), MANIFEST, "entry", "is 'other'"),
    "marked by its author": (marked, "verified/quick/mine.json", "the file", "marks an entry as verified"),
}  # fmt: skip


def test_a_submission_as_it_should_be_is_accepted(submission):
    verdict = validate(submission.root, base=submission.base)
    assert list(map(str, verdict.problems)) == []
    assert verdict.entries == ["quick/mine"]


@pytest.mark.parametrize(("act", "file", "field", "text"), CASES.values(), ids=CASES)
def test_a_malformed_or_dishonest_submission_is_refused(submission, act, file, field, text):
    act(submission)
    problems = validate(submission.root, base=submission.base).problems
    named = [c for c in problems if (c.file, c.field) == (file, field) and text in c.text]
    assert named, "\n".join(map(str, problems)) or "accepted"
    line = str(named[0])
    assert line.isprintable()
    assert named[0].remedy.endswith(".")
    assert len(line) < 600


def test_there_are_at_least_a_hundred():
    assert len(CASES) >= 100


def test_a_folder_without_results_is_refused(tmp_path):
    (problem,) = validate(tmp_path).problems
    assert "holds no result" in problem.text


@pytest.mark.parametrize(("bound", "field"), [("MAX_FILES", "number of files"), ("MAX_TOTAL_BYTES", "size")])
def test_files_are_bounded_together(submission, monkeypatch, bound, field):
    monkeypatch.setattr(tree, bound, 2)
    problems = validate(submission.root).problems
    assert any((p.file, p.field, p.remedy) == (".", field, "Submit one entry at a time.") for p in problems)


def test_a_pipe_is_not_opened(submission):
    os.mkfifo(submission.root / "quick/digits/mine/seed-2.json")
    problems = validate(submission.root).problems
    assert any(c.field == "type" and "neither a file nor a folder" in c.text for c in problems)


def accepted_too(s):
    """The base's kmex with a manifest and a mark, and all of the base in the submission."""
    write_manifest(s.base, "quick", "kmex", "sembench_baselines.kmex:KMEx (sembench)")
    write_marks(s.base, {Path("quick/digits/kmex/seed-0.json"): RUN})
    shutil.copytree(s.base, s.root, dirs_exist_ok=True)


def remove(place):
    def act(s):
        path = s.root / place
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return act


KMEX = "quick/digits/kmex/seed-0.json"
DROPPED = {
    "a seed": (remove(KMEX), {KMEX}, True),
    "an entry": (remove("quick/digits/protopnet"), {f"quick/digits/protopnet/seed-{n}.json" for n in (0, 1)}, False),
    "a suite": (remove("birds"), {f"birds/cub-20/{name}/seed-0.json" for name in ("kmex", "b4", "chance")}, False),
    "a manifest": (remove("manifests/quick/kmex.json"), {"manifests/quick/kmex.json"}, True),
    "a mark": (remove("verified/quick/kmex.json"), {"verified/quick/kmex.json"}, True),
}


@pytest.mark.parametrize(("act", "missing", "seen_in_part"), DROPPED.values(), ids=DROPPED)
def test_whatever_is_dropped_from_a_whole_tree_is_named(submission, act, missing, seen_in_part):
    accepted_too(submission)
    suites = [load_suite(str(BIRDS))]

    def gone(**options):
        found = validate(submission.root, base=submission.base, suites=suites, **options).problems
        return {c.file for c in found if c.field == "the file" and c.text.startswith("stands in the base (")}

    act(submission)
    left = {str(path.relative_to(submission.base)) for path in submission.base.rglob("*.json")}
    left -= {str(path.relative_to(submission.root)) for path in submission.root.rglob("*.json")}
    assert missing <= left
    assert gone(whole=True) == left
    assert gone() == (left if seen_in_part else set())  # a part of a tree may leave out whole entries
    assert gone(whole=True, allow_changes=True) == set()


def test_a_whole_tree_with_a_new_entry_is_accepted(submission):
    accepted_too(submission)
    suites = [load_suite(str(BIRDS))]
    assert validate(submission.root, base=submission.base, suites=suites, whole=True).problems == ()


def test_a_whole_tree_needs_a_base(submission):
    with pytest.raises(SembenchError, match="--whole compares with a base"):
        validate(submission.root, whole=True)


def test_a_manifest_of_the_base_stays_as_it_is(submission):
    accepted_too(submission)
    path = submission.root / "manifests/quick/kmex.json"
    path.write_text(path.read_text().replace("sembench_baselines.kmex:KMEx", "mine:KMEx"))
    suites = [load_suite(str(BIRDS))]
    (problem,) = validate(submission.root, base=submission.base, suites=suites).problems
    assert (problem.file, problem.text) == (
        "manifests/quick/kmex.json", "differs from the manifest in the base",
    )  # fmt: skip


@pytest.fixture
def forbid(monkeypatch):
    """Makes the system refuse to open or list a path, as it does for anyone but root."""

    def act(forbidden):
        def refusing(function):
            def call(path, *rest, **options):
                if isinstance(path, str | Path) and Path(path) == forbidden:
                    raise PermissionError(errno.EACCES, "Permission denied", str(path))
                return function(path, *rest, **options)

            return call

        for name in ("open", "scandir", "lstat"):
            monkeypatch.setattr(os, name, refusing(getattr(os, name)))

    return act


@pytest.mark.parametrize(
    "place",
    [".", "quick/digits", "quick/digits/mine", MINE, MANIFEST, "verified/quick/mine.json"],
)
def test_what_cannot_be_read_is_a_problem(submission, forbid, place):
    marked(submission)
    forbid(submission.root / place)
    problems = validate(submission.root).problems
    assert (place, "the file", "cannot be read: Permission denied") in {(c.file, c.field, c.text) for c in problems}


@pytest.mark.parametrize("place", ["quick/digits/kmex", KMEX])
def test_a_base_that_cannot_be_read_is_an_error_and_not_a_smaller_base(submission, forbid, place):
    forbid(submission.base / place)
    with pytest.raises(SembenchError, match="cannot be read"):
        validate(submission.root, base=submission.base)


def test_a_maintainer_may_change_results(submission):
    an_accepted_entry(better_faithfulness)(submission)
    verdict = validate(submission.root, base=submission.base, allow_changes=True)
    assert verdict.problems == ()


def aged(folder, entry="quick/digits/kmex"):
    """Makes an entry's results those of an older sembench: LRP-KL had another version and words, settings differed."""
    for path in (folder / entry).glob("seed-*.json"):
        content = json.loads(path.read_text())
        content["scores"]["lrp_kl"]["measure"] |= {"version": 0, "note": "as it was", "reference": "elsewhere"}
        content["scores"]["ghosting"]["measure"]["note"] = "in other words"
        content["provenance"]["sembench"] = "0.0.9"
        content["settings"]["evaluation"]["batch_size"] = 99
        content["identity"] = digest(content["settings"])
        path.write_text(json.dumps(content))


def test_accepted_results_of_an_older_version_stay_and_are_called_old(base):
    aged(base)
    shutil.rmtree(base / "birds")
    for entry in ("b4", "flint", "protopnet"):
        shutil.rmtree(base / "quick/digits" / entry)
    verdict = validate(base)
    assert verdict.problems == ()
    (note,) = verdict.notes
    current = METRICS.get("lrp_kl").version
    assert note.startswith(f"quick: old: version 0 of LRP-KL; sembench now has version {current}, see CHANGELOG.md")
    assert note.endswith("(2 results, accepted before)")
    assert {path.name for path in verdict.old} == {"seed-0.json", "seed-1.json"}
    assert note.replace("-", "") in verdict.markdown().replace("\\", "").replace("-", "")


def test_accepted_results_keep_their_words_and_their_sembench_but_no_other_range(base):
    shutil.rmtree(base / "birds")

    def edit(change):
        path = base / KMEX
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    edit(lambda content: content["scores"]["ghosting"]["measure"].update(reference="elsewhere"))
    edit(lambda content: content["provenance"].update(sembench="0.0.9"))
    found = validate(base)
    assert {problem.field for problem in found.problems} <= {
        "scores.ghosting.measure.reference"
    }  # two words in a suite
    assert found.old == frozenset()
    edit(lambda content: content["scores"]["ghosting"]["measure"].update(upper=2.0))
    assert "scores.ghosting.measure.upper" in {problem.field for problem in validate(base).problems}


def test_an_old_result_in_a_wrong_place_is_refused(base):
    aged(base)
    shutil.rmtree(base / "birds")
    (base / "quick/digits/kmex").rename(base / "quick/digits/other")
    fields = {problem.field for problem in validate(base).problems if "digits/other" in problem.file}
    assert "explainer" in fields


def test_the_same_results_are_refused_where_they_are_new(submission):
    aged(submission.root, "quick/digits/mine")
    submission.pack()
    for found in (validate(submission.root, base=submission.base), validate(submission.root, new=True)):
        refused = {problem.field for problem in found.problems if problem.file == MINE}
        assert {"scores.lrp_kl.measure.version", "settings.evaluation.batch_size", "provenance.sembench"} <= refused
        assert (found.old, found.notes) == (frozenset(), ())


def test_an_old_result_that_was_changed_is_accepted_no_more(submission):
    aged(submission.base)
    shutil.copytree(submission.base / "quick/digits/kmex", submission.root / "quick/digits/kmex")
    shutil.rmtree(submission.root / "quick/digits/mine")
    shutil.rmtree(submission.root / "manifests")
    for entry in ("b4", "flint", "protopnet"):
        shutil.rmtree(submission.base / "quick/digits" / entry)
    assert validate(submission.root, base=submission.base).problems == ()
    better_faithfulness(submission.root / KMEX)
    fields = {problem.field for problem in validate(submission.root, base=submission.base).problems}
    assert {"scores.lrp_kl", "scores.lrp_kl.measure.version"} <= fields


def test_a_new_entry_beside_old_ones_is_refused_with_what_to_do(submission):
    for entry in ("kmex", "b4", "flint", "protopnet"):
        aged(submission.base, f"quick/digits/{entry}")
    problems = validate(submission.root, base=submission.base).problems
    (mixed,) = (one for one in problems if one.file == MINE and one.field == "scores.lrp_kl.measure.version")
    assert "mixed versions of metric 'lrp_kl'" in mixed.text
    assert "Compute the older one again with `sembench run --refresh`" in mixed.remedy


def test_a_metric_whose_declaration_cannot_be_read_is_named(submission, monkeypatch):
    unread = replace(declared(), unread={"beauty": "theirs:BEAUTY", "absent": "theirs:ABSENT"})
    monkeypatch.setattr(validator, "declared", lambda: unread)
    monkeypatch.setattr(METRICS, "names", lambda: [*unread.measures, "beauty", "absent"])
    submission.edit(lambda content: content["scores"].update(beauty=content["scores"]["accuracy"]))
    (note,) = validate(submission.root, base=submission.base).notes
    assert note == (
        "metric beauty: its declaration at theirs:BEAUTY cannot be read without running it; what its numbers mean is "
        "not checked in 1 results"
    )
