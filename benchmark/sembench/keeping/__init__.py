"""Fitted explainers outside of a benchmark: asked about new images, saved to a folder, loaded, exported."""
