"""Measures against the number of trained prototypes."""
