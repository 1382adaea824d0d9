"""What the statistics can and cannot say, in plain sentences."""

from __future__ import annotations

from leaderboard.friedman import Friedman
from leaderboard.tested import DRAWS

_ENOUGH = 10  # data sets, from which the chi-square distribution is close [Demsar, section 3.2.2]

HOW_TO_READ = f"""\
Profiles first, ranks last: what a method gains and costs stands in its profile (board and radar) and in the \
differences below, in the units of the measures; a rank hides by how much, and on what, one method is better.

- Controls and the black box have no rank, no probability of being best, and no place in the Pareto set. Conversions \
are methods like the others.
- **Differences** are an explainer minus the black box, or minus KMEx, with 95 % bootstrap intervals ({DRAWS:,} \
resamples) over seeds and images, paired within each seed and image by image, as in the report on claims. Prototypes \
of two methods do not correspond; there the seeds are paired and prototypes drawn independently.
- **p** is the smallest level at which such an interval excludes 0; the resamples bound it below by \
{2 / (DRAWS + 1):g}. It speaks of other trainings too, and is not given for one seed. A sign-flip test over the images \
of these models was not taken: it would call certain what the next training undoes.
- **Holm**: p corrected for all differences of one table (one data set and metric), bold below .05: the chance of any \
false alarm in a table is at most 5 %. Tables are not corrected for each other, nor is the choice of which to quote.
- **Few seeds**: intervals are widened (9.2 times with two seeds, 2.7 with three, 1.6 with five). In simulations they \
hold the truth in 93 to 96 % where seeds vary much, and in up to 100 % where they hardly vary: with two seeds they are \
too wide rather than too narrow, and p is rarely small. Without the widening it would be 55 to 61 % with two \
seeds that vary much. An interval without width says that nothing varied, not that nothing could: where \
one image in 500 differs, 360 images and two seeds show none so often that the interval holds the truth in 77 %.
- **Best** is the share of resamples in which a method is the best of its table; ties share. It is not the \
probability of being better than another method: of three that are alike, each has a third."""

PARETO = """\
The five measures of the radar: ghosting, accuracy gap, LRP-KL, RO-AUROC, diversity. A method *dominates* another one \
if it is at least as good on all five and better on one; the Pareto set are those that none dominates. It compares \
means as they are: small differences count like large ones, and chance is not taken into account."""

RANKS = """\
Each explainer that has a metric on all data sets is ranked on each of them by its mean over seeds, ties at their mean \
rank. Friedman's test asks whether the mean ranks differ at all; two methods differ significantly where their mean \
ranks differ by Nemenyi's critical difference or more (5 %, for all pairs of one metric together), to be read only \
where Friedman's p is below .05. Data sets are the \
sample here: the seeds' spread takes no part, and metrics are not corrected for each other."""


def power(test: Friedman) -> str:
    """What Friedman's test and the critical difference can say on so many data sets."""
    methods, datasets = len(test.mean_ranks), test.datasets
    if test.lacks_power:
        return (
            f"**No power**: even if all {datasets} data sets agreed completely on the order of {methods} methods, p "
            f"would be {p_text(test.smallest_p)}. Nothing can be concluded from these ranks."
        )
    apart = f"{test.difference:.2f} ranks apart on average over {datasets} data sets; {methods - 1} are possible."
    pairs = (
        f"**No pair can be told apart**: two of {methods} methods would have to be {apart} The test can say that the "
        "methods differ, not which of them."
        if test.tells_no_pair_apart
        else f"Two of {methods} methods have to be {apart} Those that are closer may differ too; ranks of so few data "
        "sets cannot show it."
    )
    if datasets >= _ENOUGH:
        return pairs
    return (
        f"{pairs} The chi-square distribution is rough for fewer than {_ENOUGH} data sets: p is an order of magnitude."
    )


def p_text(p: float) -> str:
    """A p-value with two digits, at least three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_said(p: float) -> str:
    """A p-value within a sentence."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
