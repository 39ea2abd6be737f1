"""The classifier C of Sec. 4.1: global average pooling, then one fully connected layer."""

import torch
from torch import Tensor, nn


def GAP(v: Tensor) -> Tensor:
    """Global average pooling: the mean over all locations (Sec. 3.1, u = GAP(v)).

    Args:
        v: map ``(b, c, h, w)``.

    Returns:
        ``(b, c)``.

    >>> GAP(torch.tensor([[[[1.0, 3.0]]]]))
    tensor([[2.]])
    """
    at_least_float32 = torch.promote_types(v.dtype, torch.float32)  # for the sum of half-precision maps
    return torch.mean(v, dim=(2, 3), dtype=at_least_float32)


class Classifier(nn.Module):
    """C: from the joint map v to one logit an identity; the softmax of Sec. 4.1 is inside the cross-entropy.

    Args:
        c: channels of v, ``2 d`` for v = [f, g].
        identities: number of training identities.
        bnneck: whether a BatchNorm precedes the layer.

    Shapes:
        v ``(b, c, h, w)`` -> u ``(b, c)``, logits ``(b, identities)``.

    Choice:
        The paper's C has no neck, and its backbone starts from ImageNet. A network trained from scratch learns several
        times faster when the input of the layer has mean 0 and variance 1 (the "BN neck" of Luo et al., 2019). The
        triplet loss and matching by Euclidean distance still use u.
    """

    def __init__(self, c: int, identities: int, bnneck: bool = False) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(c) if bnneck else nn.Identity()
        self.fc = nn.Linear(c, identities)

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        u = GAP(v)
        return u, self.fc(self.neck(u))
