import torch

from sembench.metrics.diversity import diversity

BETTER_AND_WORSE = {"diversity": (diversity(5 * torch.eye(4)), diversity(0.1 * torch.eye(4)))}
