"""The statements of the two papers that results can decide, each as a small declaration.

[K]: Gautam et al., Prototypical Self-Explainable Models Without Re-training, TMLR 2024. [C]: Boubekki and Clemmensen,
Post-hoc Self-explanation of CNNs, 2026. Statements were taken from the papers' text. Where it says "small", "close",
"flat", "far", "hardly", "nearly" or "high", the number is ours, marked [ours], and stands in the report.
"""

from __future__ import annotations

from sembench_leaderboard.claims.claim import Claim, Test
from sembench_leaderboard.entries.selection import method

BLACK_BOX, KMEX, FLINT = (method("blackbox"),), (method("kmex"),), (method("flint"),)
PROTOPNET, PROTOVAE, CNN = (method("protopnet"),), (method("protovae"),), (method("cnn"),)
B4, B234 = (method("b4"),), (method("b234"),)
TRAINED = PROTOPNET + FLINT + PROTOVAE  # what [K] compares KMEx with
PARTS = (method("protopnet-parts", "protopnet"),)  # [C] has prototypes at the level of parts

# Similarities by their behaviour far from a prototype: without bound, or towards a finite value.
INFINITE = KMEX + tuple(method("kmex", similarity=name) for name in ("squared", "dot"))
FINITE = tuple(method("kmex", similarity=name) for name in ("exp", "log", "log2", "cosine", "ned"))

SMALL = "1 percentage point [ours]"

CLAIMS = (
    Claim("kmex-never-ghosts", "KMEx never ghosts.", "[K] Fig. 5a", "ghosting", KMEX, Test("never")),
    Claim(
        "protovae-no-ghosts-somewhere", "ProtoVAE ghosts nothing on some data sets.", "[K] Fig. 5a", "ghosting",
        PROTOVAE, Test("never"), over="some",
    ),
    Claim("flint-ghosts", "FLINT ghosts.", "[K] Fig. 5a", "ghosting", FLINT, Test("occurs")),
    Claim("protopnet-ghosts", "ProtoPNet ghosts.", "[K] Fig. 5a", "ghosting", PROTOPNET, Test("occurs")),
    Claim(
        "kmex-accuracy", "KMEx's accuracy equals the black box's up to a small margin.", "[K]", "accuracy", KMEX,
        Test("within", 0.01), BLACK_BOX, margin=SMALL,
    ),
    Claim(
        "flint-accuracy", "FLINT's accuracy is lower than the black box's on every data set.", "[K]", "accuracy", FLINT,
        Test("below"), BLACK_BOX,
    ),
    Claim(
        "kmex-lowest-kl", "KMEx has the lowest LRP-KL.", "[K]", "lrp_kl", KMEX, Test("below"), TRAINED, beyond=True,
    ),
    Claim(
        "kmex-auroc", "KMEx's RO-AUROC is close to the black box's.", "[K] Fig. 3, Table 4", "ro_auroc", KMEX,
        Test("within", 0.05), BLACK_BOX, margin="0.05 of an area from 0 to 1 [ours]",
    ),
    Claim(
        "flint-flat", "FLINT's relevance-order curve is flat.", "[K] Fig. 3", "ro_auroc", FLINT, Test("below", 0.1),
        reads="range", margin="the largest and the smallest mean probability differ by at most 0.1 [ours]",
    ),
    Claim(
        "kmex-best-diversity", "KMEx has the best diversity.", "[K]", "diversity", KMEX, Test("below"), TRAINED,
        beyond=True,
    ),
    Claim(
        "flint-worst-diversity", "FLINT has the worst diversity.", "[K]", "diversity", FLINT, Test("above"),
        KMEX + PROTOPNET + PROTOVAE, beyond=True,
    ),
    Claim(
        "infinite-asymptote", "Similarities with an infinite asymptote give KMEx the better robustness.", "[K] A.6.1",
        "ro_auroc", INFINITE, Test("above"), FINITE, over="mean",
    ),
    Claim(
        "distance-best", "The similarity -d is the best overall.", "[K] A.6.1", "ro_auroc", KMEX, Test("above"),
        INFINITE[1:] + FINITE, over="mean",
        margin="best is read as: the highest RO-AUROC [ours]",
    ),
    Claim(
        "kmex-of-flint", "KMEx of FLINT improves FLINT's diversity.", "[K] Table 8", "diversity",
        (method("kmex(flint)"),), Test("below"), FLINT,
    ),
    Claim(
        "kmex-of-protovae", "KMEx of ProtoVAE hardly changes its diversity.", "[K] Table 8", "diversity",
        (method("kmex(protovae)"),), Test("within", 0.05), PROTOVAE, margin="0.05 of a score from 0 to 1 [ours]",
    ),
    Claim(
        "bisecting", "Bisecting k-means costs accuracy.", "[K] Table 13", "accuracy",
        (method("kmex", flavour="bisecting"),), Test("below"), KMEX, over="mean",
    ),
    Claim(
        "patches", "Patch-level KMEx is less accurate than image-level KMEx on CUB.", "[K]", "accuracy",
        (method("kmex-patches"),), Test("below"), KMEX, dataset="cub",
    ),
    Claim(
        "b4-accuracy", "B4 matches the accuracy of its backbone.", "[C], second table", "accuracy", B4,
        Test("within", 0.01), BLACK_BOX, margin=SMALL,
    ),
    Claim(
        "b234-accuracy", "B234's accuracy is lower than its backbone's.", "[C], second table", "accuracy", B234,
        Test("below"), BLACK_BOX,
    ),
    Claim(
        "columns-align-worse", "The classifier's columns align far worse with their class than KMEx's prototypes.",
        "[C], first table", "alignment_class", CNN, Test("below", -0.2), KMEX, margin="a cosine lower by 0.2 [ours]",
    ),
    Claim(
        "columns-orthogonal", "The classifier's columns are nearly orthogonal to other classes.", "[C], first table",
        "alignment_out", CNN, Test("within", 0.1), margin="a mean cosine within 0.1 of 0 [ours]",
    ),
    Claim(
        "protopnet-class-cosine", "ProtoPNet's cosines with its own class are high.", "[C], first table",
        "alignment_class", PARTS, Test("above", 0.8), margin="0.8 [ours]",
    ),
    Claim(
        "protopnet-out-cosine", "ProtoPNet's cosines with other classes are as high: uniformly high.",
        "[C], first table", "alignment_out", PARTS, Test("above", 0.8), margin="0.8 [ours]",
    ),
)  # fmt: skip
