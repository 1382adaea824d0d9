"""Which results stand on free data? Each result says under which licence its data is, and whether that is free."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.errors import SembenchError
from benchmark.results import Result


def on_free_data(results: Iterable[Result]) -> tuple[list[Result], dict[str, str]]:
    """The results on data under a free licence, and why other data sets are left out.

    Args:
        results: Results as `load` returns them.

    Returns:
        Results in their order; and by data set the licence that is not free, or that none was recorded.

    Raises:
        SembenchError: If nothing is left.
    """
    kept, left_out = [], {}
    for result in results:
        if result.provenance.dataset_licence_open:
            kept.append(result)
        else:
            recorded = result.provenance.dataset_licence_open is not None
            unknown = "whether its licence is free is not recorded; `sembench run --refresh` records it"
            left_out[result.dataset] = result.provenance.dataset_licence if recorded else unknown
    if not kept:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise SembenchError(f"no result stands on free data ({reasons}). Leave out --licence to see them all.")
    return kept, left_out
