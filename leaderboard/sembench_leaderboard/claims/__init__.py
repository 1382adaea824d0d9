"""The papers' claims, tested on results."""
