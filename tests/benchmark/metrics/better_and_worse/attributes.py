import torch

from sembench.metrics.attributes import captured, correlation_error

# The first two attributes exclude each other, the third one is independent of them.
ATTRIBUTES = torch.tensor([[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]] * 2).bool()
BETTER_AND_WORSE = {
    "attributes_captured": (captured(ATTRIBUTES), captured(ATTRIBUTES[:1])),
    "attribute_correlation": (
        correlation_error(ATTRIBUTES[::2], ATTRIBUTES),
        correlation_error(ATTRIBUTES[[0, 3]], ATTRIBUTES),
    ),
}
