"""Bootstrap, resampling and rank statistics."""
