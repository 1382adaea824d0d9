"""Registries, and how plugins are found, loaded and begun."""
