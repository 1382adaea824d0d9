"""The instrument: types, registries, metrics and the runner. It knows no method by name."""
