"""Where this repository keeps what tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
RESULTS = ROOT / "leaderboard" / "results"
