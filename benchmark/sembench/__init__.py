"""The benchmark of self-explainable image classifiers."""
