"""Report on an explainer's promises, one outcome per check: kept, broken, excepted, or not checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sembench.errors import SembenchError
from sembench.explainers.explainer import Explainer
from sembench.testing import answers, asked, honesty, independence, side_effects
from sembench.testing.case import Case

Check = Callable[[Explainer, Case], str | None]
"""Raises `ContractBroken` where a promise is broken; returns a reason where there was nothing to check."""

CHECKS: Mapping[str, Check] = {
    name.removeprefix("check_"): check
    for module in (answers, asked, independence, side_effects, honesty)
    for name, check in vars(module).items()
    if name.startswith("check_") and check.__module__ == module.__name__
}
"""All checks by name, in the order of their definition; each takes a recipe and a case."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of one check.

    Attributes:
        check: Its name.
        state: ``"kept"``, ``"broken"``, ``"excepted"`` (the recipe declares why) or ``"not checked"``.
        said: The observation, or the reason why it was not checked.
        read: The check that documents the promise, ``module.function``.
    """

    check: str
    state: Literal["kept", "broken", "excepted", "not checked"]
    said: str
    read: str


def examine(explainer: Explainer, case: Case) -> list[Outcome]:
    """Runs every check on a recipe. An explainer that fails in any other way breaks the promise that was checked."""
    outcomes = []
    for name, check in CHECKS.items():
        read = f"{check.__module__}.{check.__name__}"
        if name in explainer.exceptions:
            outcomes.append(Outcome(name, "excepted", explainer.exceptions[name], read))
            continue
        try:
            idle = check(explainer, case)
        except SembenchError as error:
            outcomes.append(Outcome(name, "broken", str(error), read))
        except Exception as error:  # noqa: BLE001 - whatever a plugin does, the other checks go on
            outcomes.append(Outcome(name, "broken", f"{type(error).__name__}: {error}", read))
        else:
            promise = (check.__doc__ or "").strip().partition("\n")[0]
            outcomes.append(Outcome(name, "not checked" if idle else "kept", idle or promise, read))
    return outcomes


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """The outcomes for a person: a line each, broken promises with where to read about them, and a sum."""
    text = []
    for outcome in outcomes:
        said = outcome.said.replace("``", "")  # quotes of a documentation, no signs for a terminal
        text.append(f"  {outcome.state:<12}{outcome.check:<20}{said}")
        if outcome.state == "broken":
            text.append(f"  {'':<32}see {outcome.read}")
    counts = Counter(outcome.state for outcome in outcomes)
    others = ", ".join(f"{counts[state]} {state}" for state in ("broken", "excepted", "not checked"))
    return [*text, f"  {counts['kept']} of {len(outcomes)} promises kept, {others}"]
