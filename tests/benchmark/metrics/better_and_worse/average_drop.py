import torch

from sembench.metrics.average_drop import average_drop, average_increase

SURE, UNSURE = torch.tensor([0.9, 0.8]), torch.tensor([0.2, 0.3])
BETTER_AND_WORSE = {
    "average_drop": (average_drop(SURE, SURE), average_drop(SURE, UNSURE)),
    "average_increase": (average_increase(UNSURE, SURE), average_increase(SURE, UNSURE)),
}
