"""Figures that need models: what prototypes look like, what is like what, and where; of any explainer."""
