"""C: global average pooling and one layer."""

import pytest
import torch

from cadnet_edu.models.classifier import GAP, Classifier


@pytest.mark.parametrize("size", [(8, 4), (3, 5)])
def test_gap_in_loops(size):
    v = torch.randn(2, 3, *size, dtype=torch.float64)
    h, w = size
    for b in range(2):
        for c in range(3):
            expected = sum(v[b, c, i, j].item() for i in range(h) for j in range(w)) / (h * w)
            assert GAP(v)[b, c].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_gap_adds_up_in_float32_or_better(given, kept):
    v = torch.full((1, 1, 64, 32), 0.1, dtype=given)
    assert GAP(v).dtype == kept
    torch.testing.assert_close(GAP(v).item(), v[0, 0, 0, 0].item())


@pytest.mark.parametrize("bnneck", [False, True])
def test_u_and_logits(bnneck):
    """The neck stands before the layer and leaves u alone."""
    torch.manual_seed(0)
    C, v = Classifier(6, 5, bnneck=bnneck).double(), 3 + 2 * torch.randn(4, 6, 8, 4, dtype=torch.float64)
    u, logits = C(v)
    torch.testing.assert_close(u, v.mean((2, 3)))
    standard = (u - u.mean(0)) / (u.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(logits, (standard if bnneck else u) @ C.fc.weight.T + C.fc.bias)
