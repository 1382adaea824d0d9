"""Local explanations: relevance propagation through networks, and rules for heads made of prototypes."""
