"""Differences between methods, ranks over data sets, dominance."""
