"""Reads results and draws tables and charts from them. Nothing in here imports torch."""
