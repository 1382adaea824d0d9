"""Checks of the promises that an explainer makes; every entry of the registry has to pass them.

Public for authors of plugins::

    import pytest
    from sembench.testing import CHECKS, digits_case

    @pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
    def test_my_explainer_keeps_the_contract(check):
        check(MyExplainer(), digits_case())

A check raises `sembench.errors.ContractBroken`, which says which promise is broken and what was seen. A promise that a
method cannot keep by its nature stands in its recipe's ``exceptions``, with the reason; `sembench check NAME` and the
board show it. In a test, leave it out: ``[c for n, c in CHECKS.items() if n not in MyExplainer.exceptions]``.
"""

from __future__ import annotations

from sembench.testing.case import Case, digits_case, make_case
from sembench.testing.report import CHECKS, Check, Outcome, examine

__all__ = ["CHECKS", "Case", "Check", "Outcome", "digits_case", "examine", "make_case"]
