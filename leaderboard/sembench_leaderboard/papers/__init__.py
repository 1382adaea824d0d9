"""The papers' tables, filled from results."""
