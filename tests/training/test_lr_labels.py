"""Labels for HR images alone: the LR halves of eq. (4) and (5) are gone, and nothing else."""

from dataclasses import replace

import torch
from people import noise_split, tiny

from cadnet_edu.losses import L_id, triplet
from cadnet_edu.training.objective import classification_terms, generator_terms
from cadnet_edu.training.trainer import Trainer


def test_without_lr_labels_the_hr_halves_are_left():
    trainer = Trainer(tiny(auxiliary_heads=False), noise_split())
    batch = next(trainer.batches)
    H, L = trainer.forward(batch)
    loss = replace(trainer.loss, lr_labels=False)
    ident, tri, active = classification_terms(H, L, batch, loss)
    tri_H, active_H = triplet(H.u, batch.y_H, loss.margin, loss.mining)
    torch.testing.assert_close(ident, L_id(H.logits, batch.y_H))
    torch.testing.assert_close(tri, tri_H)
    torch.testing.assert_close(active, active_H)


def test_lr_images_still_teach_recovery_and_alignment():
    trainer = Trainer(tiny(lr_labels=False, joint_batchnorm=False), noise_split())
    batch = next(trainer.batches)
    batch.x_L.requires_grad_()
    H, L = trainer.forward(batch)
    terms, _ = generator_terms(trainer.net, batch, H, L, trainer.loss)

    def reaches(term: torch.Tensor) -> bool:
        (at_x_L,) = torch.autograd.grad(term, batch.x_L, retain_graph=True, allow_unused=True)
        return at_x_L is not None and bool(at_x_L.any())

    assert {name: reaches(term) for name, term in terms.items()} == {
        "L_cls": False, "L_adv_DF": True, "L_rec": True, "L_adv_DI": True
    }  # fmt: skip
