"""The checks that every explainer of the registry has to pass, and gates on what a computation costs.

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

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sembench.testing.case import Case as Case
    from sembench.testing.case import digits_case as digits_case
    from sembench.testing.case import make_case as make_case
    from sembench.testing.gates import Tally as Tally
    from sembench.testing.gates import TooCostly as TooCostly
    from sembench.testing.gates import bytes_per_image as bytes_per_image
    from sembench.testing.gates import exact_passes as exact_passes
    from sembench.testing.gates import no_loop_over_images as no_loop_over_images
    from sembench.testing.gates import ratio as ratio
    from sembench.testing.gates import tally as tally
    from sembench.testing.gates import within as within
    from sembench.testing.report import CHECKS as CHECKS
    from sembench.testing.report import Check as Check
    from sembench.testing.report import Outcome as Outcome
    from sembench.testing.report import examine as examine
else:
    from sembench.lazy import lazily

    __getattr__, __dir__, __all__ = lazily(
        __name__,
        {
            "sembench.testing.report": "CHECKS Check Outcome examine",
            "sembench.testing.case": "Case digits_case make_case",
            "sembench.testing.gates": "TooCostly Tally tally exact_passes no_loop_over_images bytes_per_image ratio "
            "within",
        },
    )
