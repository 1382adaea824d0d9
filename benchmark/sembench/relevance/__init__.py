"""Local explanations: relevance propagation through networks, and rules for heads made of prototypes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sembench.relevance.conservation import conserved_share as conserved_share
    from sembench.relevance.conservation import examine as examine
    from sembench.relevance.propagation import black_box_relevance as black_box_relevance
    from sembench.relevance.propagation import headless_relevance as headless_relevance
    from sembench.relevance.propagation import propagate as propagate
    from sembench.relevance.prototypes import class_shares as class_shares
    from sembench.relevance.prototypes import contrast as contrast
    from sembench.relevance.prototypes import epsilon_shares as epsilon_shares
    from sembench.relevance.prototypes import gxi as gxi
    from sembench.relevance.prototypes import neon as neon
    from sembench.relevance.prototypes import onto_active as onto_active
    from sembench.relevance.prototypes import onto_cells as onto_cells
    from sembench.relevance.prototypes import prp as prp
    from sembench.relevance.prototypes import spread as spread
else:
    from sembench.lazy import lazily

    __getattr__, __dir__, __all__ = lazily(
        __name__,
        {
            "sembench.relevance.propagation": "propagate black_box_relevance headless_relevance",
            "sembench.relevance.prototypes": "neon contrast gxi prp onto_active onto_cells epsilon_shares "
            "class_shares spread",
            "sembench.relevance.conservation": "conserved_share examine",
        },
    )
