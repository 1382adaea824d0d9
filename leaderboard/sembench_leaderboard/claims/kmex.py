"""The claims of [K]: Gautam et al., Prototypical Self-Explainable Models Without Re-training, TMLR 2024.

In the order of the paper. Table numbers are those by which the text calls the tables: 3 accuracy, 4 RO-AUROC, 5
ghosting, 6 LRP-KL, 7 diversity, 8 KMEx of self-explainable models, 11 training time, 12 test time, 13 bisecting
k-means, 14 patches. Where the text says "close", "slight", "huge" or "on par", or its number is lost, the
margin is [ours].
"""

from __future__ import annotations

from sembench_leaderboard.claims.claim import Along, Claim, Test
from sembench_leaderboard.claims.methods import BLACK_BOX, FIVE_POINTS, FLINT, KMEX, POINT, PROTOPNET, PROTOVAE
from sembench_leaderboard.entries.profile import AXES
from sembench_leaderboard.entries.selection import method

TRAINED = PROTOPNET + FLINT + PROTOVAE  # what [K] compares KMEx with
OF_PROTOPNET, OF_FLINT, OF_PROTOVAE = ((method(f"kmex({of})"),) for of in ("protopnet", "flint", "protovae"))
ALL_KMEX = KMEX + OF_PROTOPNET + OF_FLINT + OF_PROTOVAE

# The distance-based similarities of A.6.1: without a finite asymptote, or converging far from a prototype.
INFINITE = KMEX + tuple(method("kmex", similarity=name) for name in ("l1", "squared"))
LOG = tuple(method("kmex", similarity=name) for name in ("log", "log2"))  # ProtoPNet's, of the distance and its square
OTHERS = tuple(method("kmex", similarity=name) for name in ("dot", "cosine", "ned"))

ACCURACY, GAP, KL, AUROC = ("accuracy",), ("accuracy_gap",), ("lrp_kl",), ("ro_auroc",)
GHOSTING, DIVERSITY = ("ghosting",), ("diversity",)
ATTRIBUTES, CORRELATIONS = ("attributes_captured",), ("attribute_correlation",)
EVERY_AXIS = tuple(axis.metric for axis in AXES)

AREA_MARGIN = "0.05 of an area from 0 to 1 [ours]"
SCORE_MARGIN = "0.05 of a score from 0 to 1 [ours]"
TIES = "best and worst include ties: 0.01 of the radar's radius [ours]"
RADIUS = "0.2 of the radar's radius: 20 % of the prototypes, 1 point of accuracy, 0.2 of a diversity score [ours]"

L = "prototypes_per_class"

TRADITIONAL = (
    Claim(
        "kmex-accuracy", "KMEx performs on par with its corresponding ResNet34 black-box base model.",
        "[K] 4.2.1, Table 3", ACCURACY, KMEX, Test("within", 0.01), BLACK_BOX,
        margin=f"{POINT}; the text states its largest discrepancy, a number that is lost",
    ),
    Claim(
        "flint-accuracy", "FLINT performs consistently and significantly worse than the black-box on all the datasets.",
        "[K] 4.2.1, Table 3", ACCURACY, FLINT, Test("below"), BLACK_BOX,
    ),
    Claim(
        "protopnet-outperforms", "ProtoPNet outperforms ResNet34 and R34+KMEx on two of the datasets.",
        "[K] 4.2.1, Table 3", ACCURACY, PROTOPNET, Test("above"), BLACK_BOX + KMEX, over=2,
    ),
    Claim(
        "protovae-outperforms", "ProtoVAE outperforms ResNet34 and R34+KMEx on two of the datasets.",
        "[K] 4.2.1, Table 3", ACCURACY, PROTOVAE, Test("above"), BLACK_BOX + KMEX, over=2,
    ),
    Claim(
        "flint-flat", "In the three cases, FLINT's relevance-order curves are relatively flat.", "[K] 4.2.2, Fig. 3",
        AUROC, FLINT, Test("below", 0.1), reads="range", datasets=("mnist", "cifar10", "celeba"),
        margin="the largest and the smallest mean probability differ by at most 0.1 [ours]",
    ),
    Claim(
        "protovae-below-random", "On MNIST, ProtoVAE's curve remains below its random curve.", "[K] 4.2.2, Fig. 3",
        AUROC, PROTOVAE, Test("below", 0.01), reads="over random", datasets=("mnist",),
        margin="nowhere above it by more than 0.01, which covers noise where both are flat [ours]",
    ),
    Claim(
        "protovae-negative-gain", "On MNIST, ProtoVAE shows poor robustness: the area under its curve is smaller than "
        "that under its random curve.", "[K] 4.2.2, Fig. 3", ("ro_auroc_gain",), PROTOVAE, Test("below"),
        datasets=("mnist",),
    ),
    Claim(
        "protopnet-mnist", "On MNIST, ProtoPNet returns the largest AUROC.", "[K] 4.2.2, Table 4", AUROC, PROTOPNET,
        Test("above"), BLACK_BOX + FLINT + PROTOVAE + KMEX, datasets=("mnist",), beyond=True,
    ),
    Claim(
        "cifar10-alike", "On CIFAR-10, all but FLINT report similar AUROC values.", "[K] 4.2.2, Table 4", AUROC,
        BLACK_BOX + KMEX + PROTOPNET + PROTOVAE, Test("within", 0.05), BLACK_BOX + KMEX + PROTOPNET + PROTOVAE,
        datasets=("cifar10",), margin=AREA_MARGIN,
    ),
    Claim(
        "cifar10-flint", "On CIFAR-10, FLINT's AUROC is not similar to the others'.", "[K] 4.2.2, Table 4", AUROC,
        FLINT, Test("outside", 0.05), BLACK_BOX + KMEX + PROTOPNET + PROTOVAE, datasets=("cifar10",),
        margin=AREA_MARGIN,
    ),
    Claim(
        "cifar10-different", "On CIFAR-10, the AUROC of all but FLINT is statistically different, though similar.",
        "[K] 4.2.2, Table 4", AUROC, BLACK_BOX + KMEX + PROTOPNET + PROTOVAE, Test("slight", 0.05),
        BLACK_BOX + KMEX + PROTOPNET + PROTOVAE, datasets=("cifar10",), margin=AREA_MARGIN,
    ),
    Claim(
        "protovae-celeba", "On CelebA, ProtoVAE reports the largest AUROC.", "[K] 4.2.2, Table 4", AUROC, PROTOVAE,
        Test("above"), BLACK_BOX + FLINT + PROTOPNET + KMEX, datasets=("celeba",), beyond=True,
    ),
    Claim(
        "protopnet-celeba", "On CelebA, ProtoVAE's AUROC is followed by ProtoPNet's.", "[K] 4.2.2, Table 4", AUROC,
        PROTOPNET, Test("above"), BLACK_BOX + FLINT + KMEX, datasets=("celeba",),
    ),
    Claim(
        "kmex-auroc", "R34+KMEx returns AUROC close to ResNet34, its black-box base model.", "[K] 4.2.2, Table 4",
        AUROC, KMEX, Test("within", 0.05), BLACK_BOX, margin=AREA_MARGIN,
    ),
    Claim(
        "kmex-auroc-differs", "KMEx's AUROC differs from ResNet34's always significantly, though close to it.",
        "[K] 4.2.2, Table 4", AUROC, KMEX, Test("slight", 0.05), BLACK_BOX, margin=AREA_MARGIN,
    ),
)  # fmt: skip

QUANTITATIVE = (
    Claim(
        "kmex-never-ghosts", "Ghosting affects all models but never KMEx.", "[K] 4.3.1, Table 5", GHOSTING, KMEX,
        Test("never"),
    ),
    Claim(
        "flint-ghosts", "Ghosting affects all models: FLINT.", "[K] 4.3.1, Table 5", GHOSTING, FLINT, Test("occurs"),
    ),
    Claim(
        "protopnet-ghosts", "Ghosting affects all models: ProtoPNet.", "[K] 4.3.1, Table 5", GHOSTING, PROTOPNET,
        Test("occurs"),
    ),
    Claim(
        "protovae-ghosts", "Ghosting affects all models: ProtoVAE, on some datasets.", "[K] 4.3.1, Table 5", GHOSTING,
        PROTOVAE, Test("occurs"), over="some",
    ),
    Claim(
        "protovae-no-ghosts", "ProtoVAE does not ghost any prototype on three out of the seven datasets.",
        "[K] 4.3.1, Table 5", GHOSTING, PROTOVAE, Test("never"), over=3,
    ),
    Claim(
        "kmex-lowest-kl", "KMEx produces the most faithful feature importance maps: the lowest LRP-KL.",
        "[K] 4.3.2, Table 6", KL, KMEX, Test("below"), TRAINED, beyond=True,
    ),
    Claim(
        "kmex-best-diversity", "KMEx is the model that satisfies its own interpretation of diversity most.",
        "[K] 4.3.3, Table 7", DIVERSITY, KMEX, Test("below"), TRAINED, beyond=True,
    ),
    Claim(
        "flint-worst-diversity", "FLINT is the model that satisfies its own interpretation of diversity least.",
        "[K] 4.3.3, Table 7", DIVERSITY, FLINT, Test("above"), KMEX + PROTOPNET + PROTOVAE, beyond=True,
    ),
    Claim(
        "kmex-least-ghosting", "On average, KMEx suffers the least of ghosting.", "[K] 4.3.4, Fig. 4", GHOSTING, KMEX,
        Test("below", 0.01), TRAINED, over="mean", margin="ties included: 0.01 of the prototypes [ours]",
    ),
    Claim(
        "kmex-most-faithful", "On average, KMEx is the most faithful model with respect to the black-box in terms of "
        "accuracy.", "[K] 4.3.4, Fig. 4", GAP, KMEX, Test("below"), TRAINED, over="mean", reads="size",
        margin="read as: the smallest size of the difference in accuracy, a mean over data sets [ours]",
    ),
    Claim(
        "kmex-faithful-maps", "On average, KMEx is the most faithful model with respect to the black-box in terms of "
        "explanation.", "[K] 4.3.4, Fig. 4", KL, KMEX, Test("below"), TRAINED, over="mean",
    ),
    Claim(
        "protopnet-underperforms", "On average, ProtoPNet underperforms in terms of diversity and transparency.",
        "[K] 4.3.4, Fig. 4", DIVERSITY + GHOSTING, PROTOPNET, Test("above"), KMEX + PROTOVAE, over="mean",
        margin="read as: worse than KMEx and ProtoVAE [ours]",
    ),
    Claim(
        "protovae-leads", "On average, ProtoVAE leads in terms of diversity.", "[K] 4.3.4, Fig. 4", DIVERSITY,
        PROTOVAE, Test("below"), PROTOPNET + FLINT, over="mean",
        margin="read as: before FLINT and ProtoPNet, since 4.3.3 and A.5 have KMEx before it [ours]",
    ),
    Claim(
        "flint-smallest-area", "FLINT produces the smallest area of the radar plot.", "[K] 4.3.4, Fig. 4",
        ("radar_area",), FLINT, Test("below"), KMEX + PROTOPNET + PROTOVAE, over="mean", reads="area",
        margin="the mean of each data set's area, where the figure has the area of the mean [ours]",
    ),
    Claim(
        "flint-on-par", "On average, FLINT performs on par with ProtoVAE in terms of transparency and faithfulness of "
        "the accuracies.", "[K] 4.3.4, Fig. 4", GHOSTING + GAP, FLINT, Test("within", 0.2), PROTOVAE, over="mean",
        reads="position", margin=RADIUS,
    ),
    Claim(
        "flint-lags", "On average, FLINT lags behind in all the other measures.", "[K] 4.3.4, Fig. 4",
        KL + AUROC + DIVERSITY, FLINT, Test("below"), KMEX + PROTOPNET + PROTOVAE, over="mean", reads="position",
    ),
    Claim(
        "kmex-of-flint", "The change of paradigm equips the embedding of FLINT with more quantitatively diverse "
        "prototypes.", "[K] 4.4, Table 8", DIVERSITY, OF_FLINT, Test("below"), FLINT,
    ),
    Claim(
        "kmex-of-protopnet", "For ProtoPNet, the change of diversity by KMEx is worst on all but one dataset.",
        "[K] 4.4, Table 8", DIVERSITY, OF_PROTOPNET, Test("above"), PROTOPNET, over="all but one",
        margin='"worst" is read as: for the worse [ours]',
    ),
    Claim(
        "kmex-of-protovae", "As for ProtoVAE, the changes of diversity by KMEx are very small.", "[K] 4.4, Table 8",
        DIVERSITY, OF_PROTOVAE, Test("within", 0.05), PROTOVAE, margin=SCORE_MARGIN,
    ),
    Claim(
        "flint-fewest-attributes", "FLINT starts and ends with fewer captured attributes.", "[K] 4.4, Fig. 5b",
        ATTRIBUTES, FLINT, Test("below"), KMEX + PROTOPNET + PROTOVAE, along=Along(L, "ends"), datasets=("celeba",),
    ),
    Claim(
        "kmex-more-attributes", "The KMEx of any method, including ResNet34+KMEx, always captures more attributes as "
        "the number of prototypes increases.", "[K] 4.4, Fig. 5b", ATTRIBUTES, ALL_KMEX, Test("above"),
        along=Along(L, "steps"), datasets=("celeba",),
    ),
    Claim(
        "protopnet-correlations", "The attribute correlations based on ProtoPNet's prototypes are the most divergent.",
        "[K] 4.4, Fig. 5c", CORRELATIONS, PROTOPNET, Test("above"), KMEX + FLINT + PROTOVAE, along=Along(L, "same"),
        datasets=("celeba",),
    ),
    Claim(
        "correlations-closer", "ProtoVAE and ResNet34+KMEx consistently come closer to the true attribute correlations "
        "as the number of prototypes increases.", "[K] 4.4, Fig. 5c", CORRELATIONS, PROTOVAE + KMEX, Test("below"),
        along=Along(L, "steps"), datasets=("celeba",),
    ),
    Claim(
        "kmex-correlations", "The attribute correlation computed for any KMEx consistently improves as more prototypes "
        "are available.", "[K] 4.4, Fig. 5c", CORRELATIONS, ALL_KMEX, Test("below"), along=Along(L, "steps"),
        datasets=("celeba",),
    ),
    Claim(
        "kmex-flint-attributes", "KMEx of FLINT improves the most its original model: the number of captured "
        "attributes.", "[K] 4.4, Fig. 5b", ATTRIBUTES, OF_FLINT, Test("above"), OF_PROTOPNET + OF_PROTOVAE,
        reads="improvement", along=Along(L, "same"), datasets=("celeba",),
    ),
    Claim(
        "kmex-flint-correlations", "KMEx of FLINT improves the most its original model: the faithfulness of the "
        "attributes' correlations.", "[K] 4.4, Fig. 5c", CORRELATIONS, OF_FLINT, Test("below"),
        OF_PROTOPNET + OF_PROTOVAE, reads="improvement", along=Along(L, "same"), datasets=("celeba",),
    ),
)  # fmt: skip

APPENDIX = (
    Claim(
        "kmex-trains-fastest", "R34+KMEx requires very low training time as compared to all other SEMs.",
        "[K] A.3, Table 11", ("training_seconds",), KMEX, Test("below"), TRAINED, reads="cost",
        margin="read as: less than each, black box and fit in sum [ours]",
    ),
    Claim(
        "kmex-predicts-fastest", "KMEx is also faster for the prediction of a single test image as compared to other "
        "models.", "[K] A.3, Table 12", ("predict_seconds_single",), KMEX, Test("below"), TRAINED, reads="cost",
    ),
    Claim(
        "kmex-best-everywhere", "KMEx performs the best for transparency, diversity and faithfulness of explanations "
        "for all datasets.", "[K] A.5, Fig. 7", GHOSTING + DIVERSITY + KL, KMEX, Test("above", -0.01), TRAINED,
        reads="position", margin=TIES,
    ),
    Claim(
        "protovae-diversity", "ProtoVAE performs on par in terms of diversity for all datasets.", "[K] A.5, Fig. 7",
        DIVERSITY, PROTOVAE, Test("within", 0.05), KMEX, margin=SCORE_MARGIN,
    ),
    Claim(
        "flint-worst-everywhere", "FLINT performs the worst for all evaluations.", "[K] A.5, Fig. 7", EVERY_AXIS, FLINT,
        Test("below", 0.01), KMEX + PROTOPNET + PROTOVAE, reads="position", margin=TIES,
    ),
    Claim(
        "distances-alike", "Distance-based measures (except NED) perform all very similarly in terms of transparency, "
        "accuracy, and quantitative diversity.", "[K] A.6.1, Fig. 8", GHOSTING + GAP + DIVERSITY, INFINITE + LOG,
        Test("within", 0.2), INFINITE + LOG, reads="position", margin=RADIUS,
    ),
    Claim(
        "infinite-asymptote", "Of the distance-based measures, those with infinite asymptotes report the best "
        "robustness; the others converge.", "[K] A.6.1, Fig. 8", AUROC, INFINITE, Test("above"), LOG, over="mean",
    ),
    Claim(
        "distance-best", "Overall, the l2-based similarity performs the best and clearly outperforms all other "
        "measures.", "[K] A.6.1, Fig. 8", ("radar_area",), KMEX, Test("above", 0.05), INFINITE[1:] + LOG + OTHERS,
        over="mean", reads="area", margin="overall is read as: the radar's five axes, by their area; clearly as: by "
        "0.05 of the regular pentagon's [ours]",
    ),
    Claim(
        "numbers-ghosting-stl10", "In the case of STL10, an increase in the number of prototypes results in a decrease "
        "in transparency.", "[K] A.6.2, Fig. 9", GHOSTING, KMEX, Test("above"), along=Along(L, "extremes"),
        datasets=("stl10",),
    ),
    Claim(
        "numbers-ghosting", "Everything else remains invariant to the number of prototypes: transparency, apart from "
        "STL10.", "[K] A.6.2, Fig. 9", GHOSTING, KMEX, Test("within", 0.05), along=Along(L, "all"), without="stl10",
        margin="0.05 of the prototypes [ours]",
    ),
    Claim(
        "numbers-accuracy", "Everything else remains invariant to the number of prototypes: accuracy.",
        "[K] A.6.2, Fig. 9", ACCURACY, KMEX, Test("within", 0.01), along=Along(L, "all"), margin=POINT,
    ),
    Claim(
        "numbers-kl", "Everything else remains invariant to the number of prototypes: faithfulness of explanations.",
        "[K] A.6.2, Fig. 9", KL, KMEX, Test("within", 0.05), along=Along(L, "all"), margin="0.05 nats [ours]",
    ),
    Claim(
        "numbers-auroc", "Everything else remains invariant to the number of prototypes: robustness.",
        "[K] A.6.2, Fig. 9", AUROC, KMEX, Test("within", 0.05), along=Along(L, "all"), margin=AREA_MARGIN,
    ),
    Claim(
        "numbers-diversity", "Everything else remains invariant to the number of prototypes: diversity, where it is "
        "defined.", "[K] A.6.2, Fig. 9", DIVERSITY, KMEX, Test("within", 0.05), along=Along(L, "all", least=2),
        margin=f"{SCORE_MARGIN}; undefined is read as: with one prototype per class [ours]",
    ),
    Claim(
        "bisecting-worse", "R34+BisectingKMEx consistently performs worse.", "[K] A.6.3, Table 13", ACCURACY,
        (method("kmex", flavour="bisecting"),), Test("below"), KMEX,
    ),
    Claim(
        "bisecting-huge", "R34+BisectingKMEx has a huge loss in accuracy for all datasets.", "[K] A.6.3, Table 13",
        ACCURACY, (method("kmex", flavour="bisecting"),), Test("below", -0.05), KMEX, margin=f"huge: {FIVE_POINTS}",
    ),
    Claim(
        "patches", "On CUB200, there is a drop in accuracy when using patches.", "[K] A.7, Table 14", ACCURACY,
        (method("kmex-patches"),), Test("below"), KMEX, datasets=("cub",),
    ),
)  # fmt: skip
