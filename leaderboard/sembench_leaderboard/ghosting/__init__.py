"""Ghosted against trained prototypes."""
