"""The units of this repository: what its own distribution registers, tests and installed plugins left out."""

from sembench.plugins.registry import Registry


def own(registry: Registry) -> list[str]:
    """Names of one kind, families of names left out."""
    return [name for name in registry.names() if "*" not in name and registry.origin(name).endswith(" (sembench)")]
