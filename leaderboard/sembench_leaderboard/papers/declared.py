"""The tables of the two papers as declarations.

The numbers of the papers' tables could not be had; what a table shows is taken from the papers' text. Rows and columns
that are not in the paper are marked as ours where they are shown.
"""

from __future__ import annotations

from sembench_leaderboard.entries.profile import AXES
from sembench_leaderboard.entries.selection import Missing, method
from sembench_leaderboard.papers.quantity import SINGLE_IMAGE, TRAINING, Score
from sembench_leaderboard.papers.table import Line, PaperTable, Varied

_BLACK_BOX, _KMEX = Line("{network}", method("blackbox")), Line("{network}+KMEx", method("kmex"))
_FLINT, _PROTOPNET, _PROTOVAE = (Line(name, method(name.lower())) for name in ("FLINT", "ProtoPNet", "ProtoVAE"))
_SEMS = (_FLINT, _PROTOPNET, _PROTOVAE, _KMEX)
_POSTHOC = (Line("CNN as SEM", method("cnn")), Line("B4", method("b4")), Line("B234", method("b234")))
_BASES = (_FLINT, _PROTOPNET, _PROTOVAE)
_CONVERSIONS = tuple(
    row
    for title, base in ((line.title, line.title.lower()) for line in _BASES)
    for row in (
        Line(f"{title}+KMEx", method(f"kmex({base})")),
        Line(f"Difference to {title}", method(f"kmex({base})"), less=method(base)),
    )
)
_FIVE = tuple(Score(axis.metric) for axis in AXES)

_SIX = ("mnist", "fashion-mnist", "svhn", "cifar10", "stl10", "quickdraw")
_SEVEN = (*_SIX, "celeba")
_THREE = ("mnist", "stl10", "cub")

_SPREAD = "Standard deviations are over seeds here, as in the other tables; the paper gives them for 100 images."

KMEX = (
    PaperTable(
        "accuracy", "predictive performance, test accuracy", "[K] Table 3", _SEVEN, (_BLACK_BOX, *_SEMS),
        (Score("accuracy"),), further=_POSTHOC,
    ),
    PaperTable(
        "auroc", "robustness, area under the relevance-order curve (AUROC)", "[K] Table 4", _SEVEN,
        (_BLACK_BOX, *_SEMS), (Score("ro_auroc"),), further=_POSTHOC,
        note=f"{_SPREAD} It calls them very low, which those over images are not. The height depends on how "
        "a method makes probabilities; the board has the random order beside it.",
    ),
    PaperTable(
        "ghosting", "transparency, share of ghosted prototypes", "[K] Table 5", _SEVEN, _SEMS, (Score("ghosting"),),
        further=_POSTHOC, note="The command prototypes draws it against numbers of prototypes, as Fig. 5a does.",
    ),
    PaperTable(
        "kl", "faithfulness of explanations, divergence of relevance maps from the black box's (KL)", "[K] Table 6",
        _SEVEN, _SEMS, (Score("lrp_kl"),), further=_POSTHOC,
        note=f"{_SPREAD} A small number shows that the encoder is shared; only one below the level headless of the "
        "board, the encoder's map without any prototype, shows more.",
    ),
    PaperTable(
        "diversity", "diversity, normalised entropy of the similarities between prototypes", "[K] Table 7", _SEVEN,
        _SEMS, (Score("diversity"),), further=_POSTHOC,
        note="Under each model's own similarity; the authors' code takes the logarithmic one for KMEx.",
    ),
    PaperTable(
        "conversion", "diversity of the KMEx of each self-explainable model, and the difference to Table 7",
        "[K] Table 8", _SEVEN, _CONVERSIONS, (Score("diversity"),),
        note="Differences are paired over seeds; below 0, KMEx has the more diverse prototypes.",
    ),
    PaperTable(
        "training", "full training time", "[K] Table 11", _SEVEN, (_KMEX, _PROTOPNET, _FLINT, _PROTOVAE),
        (TRAINING,), further=_POSTHOC,
        note="The black box's training and the fit; a model with a network of its own does not need the black box. "
        "Seconds compare only within one run on one machine.",
    ),
    PaperTable(
        "test", "test time of a single image", "[K] Table 12", _SEVEN, (_KMEX, _PROTOPNET, _FLINT, _PROTOVAE),
        (SINGLE_IMAGE,), further=(_BLACK_BOX, *_POSTHOC),
        note="A batch of one image, the median of several. Times compare only within one run on one machine.",
    ),
    PaperTable(
        "bisecting", "accuracy with k-means and with bisecting k-means", "[K] Table 13", _SIX,
        (_KMEX, Line("{network}+BisectingKMEx", method("kmex", flavour="bisecting"))), (Score("accuracy"),),
    ),
    PaperTable(
        "patches", "accuracy of KMEx on full images and on patches", "[K] Table 14", ("cub",),
        (_BLACK_BOX, Line("{network}+KMEx, full images", method("kmex")),
         Line("{network}+KMEx, patches", method("kmex-patches"))),
        (Score("accuracy"),), further=(Line("ProtoPNet on patches", method("protopnet-parts")), _POSTHOC[1]),
        turned=True,
    ),
    PaperTable(
        "similarity", "KMEx under other similarities, the numbers behind the radar", "[K] Fig. 8", _SEVEN,
        (Varied("kmex", "similarity"),), _FIVE,
    ),
    PaperTable(
        "prototypes", "KMEx with other numbers of prototypes per class, the numbers behind the radar", "[K] Fig. 9",
        _SEVEN, (Varied("kmex", "prototypes_per_class"),), _FIVE,
        note="The paper calls diversity undefined for one number of prototypes, which is lost in the text.",
    ),
)  # fmt: skip

_PARTS = Line("ProtoPNet", method("protopnet-parts"))
_IMAGES = Line("ProtoPNet on full images", method("protopnet"))
_PUBLISHED = Missing("as published: not repeated here, and the numbers are lost in the text")

POSTHOC = (
    PaperTable(
        "alignment", "mean cosine of prototypes with their class and with all other data points (out)",
        "[C] Table 2, alignment", _THREE,
        (Line("CNN", method("cnn")), Line("KMEx (L = 1)", method("kmex", prototypes_per_class=1)),
         Line("KMEx", method("kmex")), _PARTS),
        (Score("alignment_class", title="class"), Score("alignment_out", title="out")),
        further=(_IMAGES, *_POSTHOC[1:]),
        note="The two numbers of prototypes per class of the rows KMEx are lost in the text: here they are 1 and the "
        "suite's, 5 in the paper and 10 on CUB-200.",
    ),
    PaperTable(
        "accuracy", "accuracy on training and test images", "[C] Table 2, accuracies", _THREE,
        (Line("CNN", method("blackbox")), Line("KMEx", method("kmex")), _PARTS,
         Line("ProtoPNet in Chen et al.", _PUBLISHED), Line("Ours B4", method("b4")),
         Line("Ours B234", method("b234"))),
        (Score("accuracy_train", title="train"), Score("accuracy", title="test")),
        further=(_IMAGES, Line("B34", method("b34")), Line("B1234", method("b1234"))),
        note="The word ours in the names of rows is the paper's.",
    ),
)  # fmt: skip

PAPERS = {"kmex": ("[K] Gautam et al., TMLR 2024", KMEX), "posthoc": ("[C] Boubekki and Clemmensen, 2026", POSTHOC)}
