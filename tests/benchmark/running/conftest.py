"""A network that somebody trained on the digits elsewhere, and the digits as files."""

from brought_along import as_files, brought

__all__ = ["as_files", "brought"]
