"""The tables of the two papers as declarations.

The papers' own tables could not be had in full. What a table shows is taken from the papers' text and, for the
diversity before and after conversion, from the authors' code; where the number of a table could not be verified, its
source says so. Rows, statistic and spread (mean and sample standard deviation over seeds) are ours throughout.
"""

from __future__ import annotations

from sembench_leaderboard.entries.selection import method
from sembench_leaderboard.papers.table import PaperTable, Score, Spent, Varied

_UNVERIFIED = "[K], one of Tables 3 and 5 to 7 (which one could not be verified)"
_APPENDIX = "[K], appendix (the number, Table 14 perhaps, could not be verified)"

_BLACK_BOX, _KMEX = method("blackbox"), method("kmex")
_TRAINED = tuple(method(name) for name in ("flint", "protopnet", "protovae"))
_SEMS = (_KMEX, *_TRAINED)
_POSTHOC = tuple(method(name) for name in ("cnn", "b4", "b234"))
_PAIRS = tuple(method(name) for base in ("flint", "protopnet", "protovae") for name in (base, f"kmex({base})"))
_ABLATED = tuple(Score(m) for m in ("accuracy", "ro_auroc", "ro_auroc_gain", "lrp_kl", "ghosting", "diversity"))

KMEX = (
    PaperTable(
        "accuracy", "Test accuracy of the black box and of self-explainable models", _UNVERIFIED, (_BLACK_BOX, *_SEMS),
        (Score("accuracy"),), further=_POSTHOC,
    ),
    PaperTable(
        "auroc", "Robustness: area under the relevance-order curve (RO-AUROC)", "[K] Table 4", (_BLACK_BOX, *_SEMS),
        (Score("ro_auroc"),), further=_POSTHOC,
        note="Its height depends on how a method makes probabilities; the board has the random order beside it.",
    ),
    PaperTable(
        "kl", "Faithfulness: divergence of relevance maps from the black box's (LRP-KL)", _UNVERIFIED, _SEMS,
        (Score("lrp_kl"),), further=_POSTHOC,
    ),
    PaperTable(
        "ghosting", "Transparency: share of ghosted prototypes", _UNVERIFIED, _SEMS, (Score("ghosting"),),
        further=_POSTHOC, note="[K] Fig. 5a draws it against the number of prototypes: `sembench ghosting`.",
    ),
    PaperTable(
        "diversity", "Diversity: normalised entropy of the similarities between prototypes", _UNVERIFIED, _SEMS,
        (Score("diversity"),), further=_POSTHOC,
        note="Under each model's own similarity; the authors' code takes the logarithmic one for KMEx.",
    ),
    PaperTable(
        "conversion", "KMEx of trained self-explainable models: before and after", "[K] Table 8", _PAIRS,
        (Score("accuracy"), Score("diversity"), Score("ghosting"), Score("lrp_kl")),
        note="The text speaks of FLINT and ProtoVAE and of diversity; the other columns are ours.",
    ),
    PaperTable(
        "cost", "Cost", "[K] Table 11", (_BLACK_BOX, *_SEMS),
        (
            Spent("backbone_seconds", "Black box", "s"), Spent("fit_seconds", "Fit", "s"),
            Spent("fit_images", "Fit", "images"), Spent("predict_seconds_per_image", "Classify", "ms", 1e3),
            Spent("explain_seconds_per_image", "Explain", "ms", 1e3),
        ),
        further=_POSTHOC,
        note="Columns are ours. Seconds compare only within one run on one machine; FLINT, ProtoPNet and ProtoVAE "
        "train a network of their own and do not need the black box.",
    ),
    PaperTable(
        "hyperparameters", "Hyper-parameters beyond the network's own training", "[K] Table 12", _SEMS,
        (Spent("hyperparameters", "Hyper-parameters"), Spent("own_parameters", "Own parameters")), further=_POSTHOC,
        note="Counted are the fields of the recipe, settings of the explanation included, which may differ from the "
        "paper's count.",
    ),
    PaperTable(
        "bisecting", "K-means against bisecting k-means", "[K] Table 13", (Varied("kmex", "flavour"),), _ABLATED,
        note="The paper's text speaks of accuracy; the other columns are ours.",
    ),
    PaperTable(
        "similarity", "KMEx under other similarities", "[K] A.6.1", (Varied("kmex", "similarity"),), _ABLATED,
        note="The paper's text speaks of robustness; the other columns are ours.",
    ),
    PaperTable(
        "prototypes", "KMEx with other numbers of prototypes per class", _APPENDIX,
        (Varied("kmex", "prototypes_per_class"),), _ABLATED,
    ),
    PaperTable(
        "patches", "KMEx at the level of images and of patches", _APPENDIX, (_BLACK_BOX, _KMEX, method("kmex-patches")),
        (Score("accuracy"),), further=(method("protopnet-parts"), method("b4")),
        note="The paper compares them on CUB-200.",
    ),
)  # fmt: skip

POSTHOC = (
    PaperTable(
        "alignment", "Alignment: mean cosine of prototypes with their own class and with the others",
        "[C], first table", (method("cnn"), _KMEX, method("protopnet-parts", "protopnet")),
        (Score("alignment_class"), Score("alignment_out")), further=(method("b4"), method("b234")),
        note="Rows of the original that are not named in its text are left out.",
    ),
    PaperTable(
        "accuracy", "Test accuracy of the backbone and of concept-based classifiers on its blocks", "[C], second table",
        (_BLACK_BOX, method("b4"), method("b234")), (Score("accuracy"),),
        further=(_KMEX, method("b34"), method("b1234"), method("protopnet-parts")),
    ),
)  # fmt: skip

PAPERS = {"kmex": ("[K] Gautam et al., TMLR 2024", KMEX), "posthoc": ("[C] Boubekki and Clemmensen, 2026", POSTHOC)}
