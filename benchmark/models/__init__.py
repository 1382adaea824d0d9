"""Backbones, and how they are trained."""
