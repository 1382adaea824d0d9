import torch

from sembench.metrics.lrp_kl import relevance_kl

BLACK_BOX = torch.tensor([[[4.0, -2.0], [1.0, 0.0]]])
BETTER_AND_WORSE = {
    "lrp_kl": (relevance_kl(BLACK_BOX + 0.1, BLACK_BOX), relevance_kl(BLACK_BOX.flip(1, 2), BLACK_BOX)),
}
