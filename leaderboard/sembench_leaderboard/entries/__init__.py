"""Results grouped into entries, with their scores aggregated."""
