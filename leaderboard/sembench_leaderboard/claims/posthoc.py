"""The claims of [C]: Boubekki and Clemmensen, Post-hoc Self-explanation of CNNs, 2026.

The text calls both of its tables Table 2: the first one has the alignment of prototypes, the second one accuracies.
Where it says "slight", "nearly" or "uniformly high", or its number is lost, the margin is [ours].
"""

from __future__ import annotations

from sembench_leaderboard.claims.claim import Along, Claim, Test
from sembench_leaderboard.claims.methods import BLACK_BOX, CNN, FIVE_POINTS, KMEX, POINT
from sembench_leaderboard.entries.selection import method

B4, B234 = (method("b4"),), (method("b234"),)
PARTS = (method("protopnet-parts", "protopnet"),)  # [C] has prototypes at the level of parts
ACCURACIES = ("accuracy", "accuracy_train")
CLASS, OUT = ("alignment_class",), ("alignment_out",)

POSTHOC = (
    Claim(
        "protopnet-cosines", "The cosines of ProtoPNet are uniformly high: with its class and with all others.",
        "[C] 4, first table", CLASS + OUT, PARTS, Test("above", 0.8), margin="0.8 [ours]",
    ),
    Claim(
        "columns-align-worse", "The class cosines of the CNN's classifier weights indicate poor alignment with the "
        "data, against KMEx's.", "[C] 4, first table", CLASS, CNN, Test("below", -0.2),
        KMEX, margin="a cosine lower by 0.2; both numbers are lost [ours]",
    ),
    Claim(
        "columns-orthogonal", "The classifier's columns define nearly orthogonal half-spaces.",
        "[C] 4, first table", OUT, CNN, Test("within", 0.1),
        margin="a mean cosine within 0.1 of 0 [ours]",
    ),
    Claim(
        "classes-not-orthogonal", "The class embeddings themselves are not fully orthogonal: KMEx's prototypes have "
        "cosines above 0 with other classes.", "[C] 4, first table", OUT, KMEX,
        Test("above"),
    ),
    Claim(
        "kmex-performance", "Replacing the linear classifier with KMEx does not affect the performance, in training "
        "and test.", "[C] 4, second table", ACCURACIES, KMEX, Test("within", 0.01), BLACK_BOX,
        margin=POINT,
    ),
    Claim(
        "b4-accuracy", "B4 matches the performance of the backbone network, in training and test.",
        "[C] 4, second table", ACCURACIES, B4, Test("within", 0.01), BLACK_BOX, margin=POINT,
    ),
    Claim(
        "b234-lower", "Including information at shallower depths, as in B234, leads to reduced performance, in "
        "training and test.", "[C] 4, second table", ACCURACIES, B234, Test("below"), BLACK_BOX,
    ),
    Claim(
        "b234-slight", "B234 results in a slight reduction in predictive performance.",
        "[C] 4, abstract and second table", ("accuracy",), B234, Test("above", -0.05), BLACK_BOX,
        margin=f"a larger loss is not slight: {FIVE_POINTS}",
    ),
    Claim(
        "subsets", "Performance remains stable on subsets of the training data.", "[C] 6", ("accuracy",), B4 + B234,
        Test("within", 0.01), along=Along("max_rows", "all"),
        margin=f"{POINT}; k-means on subsets of the cells",
    ),
)  # fmt: skip
