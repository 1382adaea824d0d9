"""What an explainer promises, and how each promise is checked; the public face is `benchmark.testing`."""
