"""What the metrics of one run share: passes, attributions, curves."""
