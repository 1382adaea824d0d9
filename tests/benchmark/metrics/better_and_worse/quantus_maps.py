import torch

from sembench.metrics.quantus_maps import complexity, effective_complexity, sparseness

EVEN = torch.ones(1, 3, 3)
SPOT = torch.nn.functional.one_hot(torch.tensor([4]), 9).double().view(1, 3, 3)
BETTER_AND_WORSE = {
    "sparseness": (sparseness(SPOT), sparseness(EVEN)),
    "complexity": (complexity(SPOT), complexity(EVEN)),
    "effective_complexity": (effective_complexity(SPOT), effective_complexity(EVEN)),
}
