"""How fast is it, what changed, and what may never change? Exact counts, ratios within a process, noise measured."""
