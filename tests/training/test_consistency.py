"""L_con of CAD-Net++: zero where G changes nothing, no gradient through its target, and off by default."""

import torch
from people import noise_split, tiny

from cadnet_edu.losses import L_con
from cadnet_edu.methods import method
from cadnet_edu.training.objective import consistency, generator_terms, total
from cadnet_edu.training.trainer import Trainer


def test_it_is_the_squared_distance_of_unit_vectors():
    g_hat, g = torch.zeros(2, 2, 3, 3), torch.zeros(2, 2, 3, 3)
    g_hat[:, 0], g[0, 0], g[1, 1] = 5, 2, 1  # the same direction, and a right angle: |(1, 0) - (0, 1)|^2 = 2
    assert L_con(g_hat, g).item() == (0 + 2) / 2


def test_it_is_zero_for_a_recovery_that_returns_its_input():
    """A residual G starts as the identity; with r = 1 its input is the original."""
    trainer = Trainer(method("cadnet_plus", tiny(rates=(1,), joint_batchnorm=False)), noise_split())
    trainer.net.eval()
    batch = next(trainer.batches)
    H, L = trainer.forward(batch)
    assert consistency(trainer.net.F, batch, H, L).item() < 1e-10


def test_its_gradient_reaches_E_G_and_F_through_the_recovered_image_only():
    trainer = Trainer(method("cadnet_plus", tiny()), noise_split())
    for _ in range(2):  # until G's last layer, which starts at zero, lets gradients through
        trainer.step()
    batch = next(trainer.batches)
    batch.x_H.requires_grad_()
    batch.x_L_gt.requires_grad_()
    H, L = trainer.forward(batch)
    term = generator_terms(trainer.net, batch, H, L, trainer.loss)[0]["L_con"]
    term.backward()
    assert batch.x_L_gt.grad is None
    assert all(any(p.grad.any() for p in getattr(trainer.net, name).parameters()) for name in "EGF")


def test_a_weight_adds_it_to_equation_6_and_0_leaves_it_out():
    with_it, without = (Trainer(method("cadnet", tiny(lambda_con=w)), noise_split()) for w in (0.5, 0))
    batch = next(with_it.batches)
    H, L = with_it.forward(batch)
    terms, _ = generator_terms(with_it.net, batch, H, L, with_it.loss)
    rest, _ = generator_terms(with_it.net, batch, H, L, without.loss)
    assert "L_con" not in rest
    torch.testing.assert_close(total(terms, with_it.loss), total(rest, without.loss) + 0.5 * terms["L_con"])
