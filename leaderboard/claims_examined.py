"""Do the claims hold on these results? Every claim on every suite, on each data set and over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from threadpoolctl import threadpool_limits

from benchmark.results import Result
from leaderboard.claim import Claim
from leaderboard.claims import CLAIMS
from leaderboard.comparison import Comparison, compare
from leaderboard.finding import Finding, Judged, combined, judge, mean, tested_on, together
from leaderboard.method import NOT_RUN, Method, name_of


@dataclass(frozen=True)
class Examined:
    """A claim with its findings on one suite: over data sets, and on each data set by name."""

    claim: Claim
    suite: str
    overall: Finding
    findings: dict[str, Finding]


def examine(results: Iterable[Result], claims: Sequence[Claim] = CLAIMS) -> list[Examined]:
    """Tests every claim on every suite among the results.

    Args:
        results: Results as `load` returns them, in any order.
        claims: The claims.

    Returns:
        Ordered by suite, then as the claims are.

    Raises:
        ResultsMixed: If results of one entry do not belong together.
    """
    ordered = sorted(results, key=lambda r: (r.suite, r.dataset, r.explainer, r.seed))
    examined = []
    with threadpool_limits(1, user_api="blas"):
        for suite in dict.fromkeys(result.suite for result in ordered):
            datasets: dict[str, list[Result]] = {}
            for result in (result for result in ordered if result.suite == suite):
                datasets.setdefault(result.dataset, []).append(result)
            examined += [_examined(claim, suite, datasets) for claim in claims]
    return examined


def _examined(claim: Claim, suite: str, datasets: dict[str, list[Result]]) -> Examined:
    concerned = {name: cells for name, cells in datasets.items() if name.startswith(claim.dataset)}
    if not concerned:
        return Examined(claim, suite, Finding("open", f"{NOT_RUN}{claim.dataset}", ()), {})
    pairs = [(first, second) for first in claim.first for second in claim.second or (None,)]
    parts: dict[str, list[Judged]] = {}
    findings: dict[str, Finding] = {}
    for name, cells in concerned.items():
        against = partial(compare, claim.metric, cells=cells, reads=claim.reads)
        parts[name] = [judge(claim, against(*pair)) for pair in pairs]
        beyond = _contradicting(claim, cells, against) if claim.beyond else ()
        findings[name] = combined(claim, parts[name], (name,), beyond)
    if claim.over == "mean":
        means = [mean(claim, pair) for pair in zip(*parts.values(), strict=True)]
        return Examined(claim, suite, combined(claim, means, tested_on(findings)), findings)
    return Examined(claim, suite, together(claim, findings), findings)


def _contradicting(claim: Claim, cells: Sequence[Result], against: Callable[..., Comparison]) -> tuple[Judged, ...]:
    """Explainers that the paper did not compare with, and that are as good as the best or better."""
    named = {name for wanted in claim.first + claim.second for name in wanted.names}
    others = sorted({name_of(cell) for cell in cells if cell.kind == "explainer"} - named)
    judged = [judge(claim, against(claim.first[0], Method((name,)))) for name in others]
    return tuple(part for part in judged if part.verdict == "fails")
