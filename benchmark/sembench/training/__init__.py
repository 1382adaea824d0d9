"""Trainings of networks, resumable."""
