"""The objective of CAD-Net: the terms of both sides of the game, from the outputs of the networks.

The training step, the analysis of gradients and the book's chapter on the whole network call these functions. They
depend on tensors and the settings of the losses only: no device, no file, no optimizer.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from cadnet_edu.config import LossConfig
from cadnet_edu.data.sampling import Batch
from cadnet_edu.losses import L_adv_DF, L_adv_DF_G, L_adv_DI, L_adv_DI_G, L_cls, L_con, L_id, L_rec, L_total, L_tri
from cadnet_edu.models.cadnet import CADNet, Output

Terms = dict[str, Tensor]
Gather = Callable[..., tuple[Tensor, ...]]


def no_gather(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The rows of all ranks in a single process: the tensors themselves."""
    return tensors


def discriminate(D: nn.Module, *batches: Tensor) -> tuple[Tensor, ...]:
    """The logits of a discriminator for each batch, from one pass over all of them: BatchNorm sees them together.

    Args:
        D: the discriminator.
        batches: maps or images, ``(b, c, h, w)`` each.

    Returns:
        logits of each batch, float32: losses are never computed in half precision.
    """
    x = torch.cat(batches) if len(batches) > 1 else batches[0]
    return D(x.to(memory_format=torch.channels_last)).float().split([len(batch) for batch in batches])


def discriminator_terms(net: CADNet, batch: Batch, H: Output, L: Output, loss: LossConfig) -> tuple[Terms, Terms]:
    """The terms that D_F and D_I maximise, eq. (1) and (3); ``detach`` keeps their gradients out of E and G.

    Args:
        net: the network with its discriminators.
        batch: the images that the outputs belong to.
        H, L: the outputs for the HR and for the LR images.
        loss: the settings; ``d_batch_size`` is the number of images of each kind that D_I sees.

    Returns:
        the terms by name, for the discriminators that the network has; and these with mean probabilities, to log.

    Choice:
        D_I gets real and recovered images in separate passes: in a mixed batch, BatchNorm's statistics would give away
        the class.
    """
    terms: Terms = {}
    log: Terms = {}
    n = loss.d_batch_size or None
    if net.D_F is not None:
        z_H, z_L = discriminate(net.D_F, H.f.detach(), L.f.detach())
        terms["L_adv_DF"] = L_adv_DF(z_H, z_L)  # eq. (1)
        log |= {"D_F(f_H)": z_H.sigmoid().mean(), "D_F(f_L)": z_L.sigmoid().mean()}
    if net.D_I is not None and H.x_hat is not None and L.x_hat is not None:
        (z_real,) = discriminate(net.D_I, batch.x_H[:n])
        z_L, z_H = discriminate(net.D_I, L.x_hat[:n].detach(), H.x_hat[:n].detach())
        terms["L_adv_DI"] = L_adv_DI(z_real, z_L, z_H)  # eq. (3)
        log |= {"D_I(x_H)": z_real.sigmoid().mean(), "D_I(G(f_L))": z_L.sigmoid().mean()}
    return terms, terms | log


def generator_terms(
    net: CADNet, batch: Batch, H: Output, L: Output, loss: LossConfig, gather: Gather = no_gather
) -> tuple[Terms, Terms]:
    """The terms of eq. (6) that E, G, F and C minimise, without their weights; one of weight 0 is not computed.

    Args:
        net: the network; the training step freezes its discriminators.
        batch: the images that the outputs belong to.
        H, L: the outputs for the HR and for the LR images.
        loss: the settings.
        gather: returns the rows of all ranks, so that triplets are formed over the whole batch.

    Returns:
        the terms by name; and the values to log.
    """
    n = loss.d_batch_size or None
    terms: Terms = {}
    log: Terms = {}
    ident, tri, active = classification_terms(H, L, batch, loss, gather)
    if loss.lambda_cls:
        terms["L_cls"] = L_cls(ident, tri)  # eq. (4)
    if loss.lambda_adv_DF and net.D_F is not None:
        if loss.gan_loss == "minimax":
            z_L, z_H = discriminate(net.D_F, L.f, H.f)
            terms["L_adv_DF"] = L_adv_DF_G(z_H, z_L, "minimax")  # eq. (1), E's side
        else:
            (z_L,) = discriminate(net.D_F, L.f)
            terms["L_adv_DF"] = L_adv_DF_G(None, z_L)
        log["L_adv_DF_G"] = terms["L_adv_DF"]
    if H.x_hat is not None and L.x_hat is not None:
        if loss.lambda_rec:
            x_hat_H, x_hat_L = H.x_hat.float(), L.x_hat.float()
            terms["L_rec"] = log["L_rec"] = L_rec(
                x_hat_H, batch.x_H, x_hat_L, batch.x_L_gt, loss.reduction, loss.smooth_l1_beta
            )  # eq. (2)
        if loss.lambda_adv_DI and net.D_I is not None:
            z_L, z_H = discriminate(net.D_I, L.x_hat[:n], H.x_hat[:n])
            terms["L_adv_DI"] = log["L_adv_DI_G"] = L_adv_DI_G(z_L, z_H, loss.gan_loss)  # eq. (3), G's side
        if loss.lambda_con and net.F is not None:
            terms["L_con"] = log["L_con"] = consistency(net.F, batch, H, L)  # of CAD-Net++, off by default
    right = torch.cat([H.logits.argmax(1) == batch.y_H, L.logits.argmax(1) == batch.y_L])
    return terms, log | {"L_id": ident, "L_tri": tri, "active": active, "accuracy": right.float().mean()}


def consistency(F: nn.Module, batch: Batch, H: Output, L: Output) -> Tensor:
    """L_con of the HR and of the LR images: F on recovered images against F on their originals.

    Args:
        F: the HR encoder.
        batch: with the originals, ``x_H`` and ``x_L_gt``.
        H, L: the outputs, with the maps g of the labelled images, the first ones.
    """
    assert H.g is not None
    assert L.g is not None
    with torch.no_grad():
        g = F(torch.cat([batch.x_H[: len(H.g)], batch.x_L_gt[: len(L.g)]])).f
    g_H, g_L = g.float().split([len(H.g), len(L.g)])
    return L_con(H.g.float(), g_H) + L_con(L.g.float(), g_L)


def classification_terms(
    H: Output, L: Output, batch: Batch, loss: LossConfig, gather: Gather = no_gather
) -> tuple[Tensor, Tensor, Tensor]:
    """L_id and L_tri on v, and the share of active triplets; with auxiliary heads, the same on f and on g as well.

    Args:
        H, L: the outputs for the HR and for the LR images.
        batch: their labels.
        loss: the settings; without ``lr_labels`` the LR halves of eq. (4) and (5) are left out.
        gather: see ``generator_terms``.
    """
    if not loss.lr_labels:  # twice the HR half, halved
        both = classification_terms(H, H, batch._replace(y_L=batch.y_H), replace(loss, lr_labels=True), gather)
        return both[0] / 2, both[1] / 2, both[2]
    ident = L_id(H.logits.float(), batch.y_H) + L_id(L.logits.float(), batch.y_L)
    u_H, y_H, u_L, y_L = gather(H.u, batch.y_H, L.u, batch.y_L)
    tri, active = L_tri(u_H, y_H, u_L, y_L, loss.margin, loss.mining)  # eq. (5)
    if H.branch_logits:  # u = [GAP(f), GAP(g)]
        for logits_H, logits_L in zip(H.branch_logits, L.branch_logits, strict=True):
            ident = ident + L_id(logits_H.float(), batch.y_H) + L_id(logits_L.float(), batch.y_L)
        for branch_H, branch_L in zip(u_H.chunk(2, dim=1), u_L.chunk(2, dim=1), strict=True):
            tri = tri + L_tri(branch_H, y_H, branch_L, y_L, loss.margin, loss.mining)[0]
    return ident, tri, active


def total(terms: Terms, loss: LossConfig) -> Tensor:
    """Eq. (6): the weighted sum of the terms; a missing term counts 0.

    Args:
        terms: from ``generator_terms``.
        loss: the weights.

    >>> total({"L_cls": torch.tensor(1.0), "L_rec": torch.tensor(3.0)}, LossConfig(lambda_rec=2.0))
    tensor(7.)
    """
    zero = next(iter(terms.values())).new_zeros(()) if terms else torch.zeros(())
    cls, adv_DF, rec, adv_DI = (terms.get(name, zero) for name in ("L_cls", "L_adv_DF", "L_rec", "L_adv_DI"))
    L = L_total(
        cls, adv_DF, rec, adv_DI, adv_DF=loss.lambda_adv_DF, rec=loss.lambda_rec, adv_DI=loss.lambda_adv_DI
    )  # eq. (6)
    return L + loss.lambda_con * terms["L_con"] if "L_con" in terms else L


def gradients_at(parameters: list[nn.Parameter], terms: Terms, loss: LossConfig) -> dict[str, Tensor]:
    """The gradient of each weighted term of eq. (6) at some parameters, such as E's.

    Args:
        parameters: of the network.
        terms: from ``generator_terms``.
        loss: the weights; the one of L_cls is 1 or 0.

    Returns:
        name of the term -> float64 ``(n,)`` on the CPU.
    """
    found = {}
    for name, term in terms.items():
        slopes = torch.autograd.grad(total({name: term}, loss), parameters, retain_graph=True, allow_unused=True)
        rows = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, slopes, strict=True)]
        found[name] = torch.cat([row.detach().flatten().double().cpu() for row in rows])
    return found
