"""Relevance-order curves of a suite."""
