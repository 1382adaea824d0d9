"""The statements of the two papers that results can decide, each as a small declaration."""

from __future__ import annotations

from sembench_leaderboard.claims.kmex import APPENDIX, QUANTITATIVE, TRADITIONAL
from sembench_leaderboard.claims.posthoc import POSTHOC

CLAIMS = TRADITIONAL + QUANTITATIVE + APPENDIX + POSTHOC

SECTIONS = {
    "[K] 4.2.1": "Predictive performance", "[K] 4.2.2": "Robustness of explanations",
    "[K] 4.3.1": "Transparency and concept ghosting", "[K] 4.3.2": "Trustworthiness and faithfulness",
    "[K] 4.3.3": "Interpreted diversity", "[K] 4.3.4": "Summary", "[K] 4.4": "Diversity and embedding",
    "[K] A.3": "Runtimes", "[K] A.5": "Detailed summary plot", "[K] A.6.1": "Similarity measures",
    "[K] A.6.2": "Number of prototypes per class", "[K] A.6.3": "Clustering algorithms", "[K] A.7": "Patches",
    "[C] 4": "Alignment and accuracy", "[C] 6": "Conclusion",
}  # fmt: skip
"""What the sections of the papers are about, by `Claim.section`."""
