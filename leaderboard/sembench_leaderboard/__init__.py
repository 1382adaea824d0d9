"""Reads results and draws tables and charts from them. Nothing in here imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sembench_leaderboard.board.board import write_board as write_board
    from sembench_leaderboard.entries import load as _load
    from sembench_leaderboard.entries.entry import aggregate as aggregate
    from sembench_leaderboard.submission.validate import validate as validate

    load_results = _load.load
else:
    from sembench.lazy import lazily

    __getattr__, __dir__, __all__ = lazily(
        __name__,
        {
            "sembench_leaderboard.entries.load": "load_results=load",
            "sembench_leaderboard.entries.entry": "aggregate",
            "sembench_leaderboard.board.board": "write_board",
            "sembench_leaderboard.submission.validate": "validate",
        },
    )
