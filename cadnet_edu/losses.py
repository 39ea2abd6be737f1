"""The losses of CAD-Net, equations (1) to (6): pure functions of tensors, one for each equation.

Discriminators output logits ``z``; the probability is ``D = sigmoid(z)``. ``log D`` is computed as ``logsigmoid(z)``
and ``log(1 - D)`` as ``logsigmoid(-z)``, which is numerically stable.
"""

from typing import Literal

import torch
import torch.nn.functional as nnf
from torch import Tensor


def check_choice(name: str, value: str, *allowed: str) -> None:
    """Refuse an unknown choice.

    Args:
        name, value: of the argument.
        allowed: the possible values.
    """
    if value not in allowed:
        raise ValueError(f"{name} = {value!r}: choose one of {', '.join(map(repr, allowed))}.")


def L_adv_DF(z_H: Tensor, z_L: Tensor) -> Tensor:
    """Feature-level adversarial loss, eq. (1): how well D_F distinguishes HR from LR features. D_F maximises it.

    L_adv^{D_F} = E[log D_F(f_H)] + E[log(1 - D_F(f_L))]

    Args:
        z_H: logits of D_F on f_H, any shape; a patch discriminator has one for each location, averaged.
        z_L: logits of D_F on f_L.

    Returns:
        a scalar ``<= 0``; ``-2 ln 2 = -1.386`` when D_F outputs 1/2 everywhere.

    >>> round(L_adv_DF(torch.zeros(4), torch.zeros(4)).item(), 3)
    -1.386
    """
    log_D_H = nnf.logsigmoid(z_H)  # log D_F(f_H)
    log_not_D_L = nnf.logsigmoid(-z_L)  # log(1 - D_F(f_L))
    return log_D_H.mean() + log_not_D_L.mean()  # eq. (1)


def L_adv_DF_G(
    z_H: Tensor | None, z_L: Tensor, form: Literal["non_saturating", "minimax"] = "non_saturating"
) -> Tensor:
    """E's side of eq. (1), which E minimises so that D_F classifies LR features as HR.

    Args:
        z_H, z_L: logits of D_F on f_H and f_L, with gradients to E; ``non_saturating`` needs no z_H.
        form: see Choice.

    Returns:
        a scalar.

    Raises:
        ValueError: for an unknown form, or ``minimax`` without z_H.

    Choice:
        The paper has one formula for both sides. With ``minimax``, to the letter, E minimises eq. (1) itself; its
        gradient vanishes when D_F is confident. ``non_saturating``, the default (Goodfellow et al., 2014, and the code
        of the paper's D_F), minimises ``-log D_F(f_L)`` instead: the same direction, a stronger gradient.

    >>> round(L_adv_DF_G(torch.zeros(4), torch.zeros(4)).item(), 3)
    0.693
    """
    check_choice("form", form, "non_saturating", "minimax")
    if form == "non_saturating":
        return -nnf.logsigmoid(z_L).mean()  # -log D_F(f_L)
    if z_H is None:
        raise ValueError("minimax descends eq. (1) itself, which needs z_H, the logits of D_F on f_H.")
    return L_adv_DF(z_H, z_L)


def L_rec(
    x_hat_H: Tensor,
    x_H: Tensor,
    x_hat_L: Tensor,
    x_L_gt: Tensor,
    reduction: Literal["mean", "sum"] = "mean",
    smooth_l1_beta: float = 0.0,
) -> Tensor:
    """HR reconstruction loss, eq. (2): the L1 distance of recovered images to their HR ground truth.

    L_rec = E[||G(f_H) - x_H||_1] + E[||G(f_L) - x_H||_1]

    Args:
        x_hat_H: G(f_H), ``(b, 3, H, W)``.
        x_H: the HR images themselves.
        x_hat_L: G(f_L).
        x_L_gt: the HR originals of the LR images. HR and LR batches are drawn independently (Sec. 3.2), so these
            are not ``x_H``.
        reduction: see Choice.
        smooth_l1_beta: differences d below beta count as ``d^2 / (2 beta)``, larger ones as ``|d| - beta / 2``; 0 is
            plain L1.

    Returns:
        a scalar ``>= 0``.

    Choice:
        ``mean`` averages over pixels and channels, so that the value does not grow with the image; ``sum`` is the L1
        norm to the letter, averaged over images only. ``smooth_l1_beta`` is ours, for a residual G, which starts
        perfect on HR images: plain L1 has its full gradient even at tiny differences, and would keep G there.

    >>> a, b = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    >>> L_rec(a, b, b, b).item(), L_rec(a, b, b, b, reduction="sum").item()
    (1.0, 12.0)
    """
    check_choice("reduction", reduction, "mean", "sum")
    beta = smooth_l1_beta
    rec = nnf.smooth_l1_loss(x_hat_H, x_H, beta=beta) + nnf.smooth_l1_loss(x_hat_L, x_L_gt, beta=beta)  # eq. (2)
    return rec * x_H[0].numel() if reduction == "sum" else rec


def L_adv_DI(z_real: Tensor, z_rec_L: Tensor, z_rec_H: Tensor) -> Tensor:
    """Image-level adversarial loss, eq. (3): how well D_I distinguishes HR from recovered images. D_I maximises it.

    L_adv^{D_I} = E[log D_I(x_H)] + E[log(1 - D_I(G(f_L)))] + E[log D_I(x_H)] + E[log(1 - D_I(G(f_H)))]

    Args:
        z_real: logits of D_I on x_H; this term counts twice, once for each kind of recovered image.
        z_rec_L: logits of D_I on G(f_L).
        z_rec_H: logits of D_I on G(f_H).

    Returns:
        a scalar ``<= 0``; ``-4 ln 2 = -2.773`` when D_I outputs 1/2 everywhere.

    >>> round(L_adv_DI(torch.zeros(2), torch.zeros(2), torch.zeros(2)).item(), 3)
    -2.773
    """
    log_D_real = nnf.logsigmoid(z_real).mean()  # log D_I(x_H)
    log_not_D_L = nnf.logsigmoid(-z_rec_L).mean()  # log(1 - D_I(G(f_L)))
    log_not_D_H = nnf.logsigmoid(-z_rec_H).mean()  # log(1 - D_I(G(f_H)))
    return log_D_real + log_not_D_L + log_D_real + log_not_D_H  # eq. (3)


def L_adv_DI_G(
    z_rec_L: Tensor, z_rec_H: Tensor, form: Literal["non_saturating", "minimax"] = "non_saturating"
) -> Tensor:
    """G's side of eq. (3), which E and G minimise so that D_I classifies recovered images as real.

    Args:
        z_rec_L, z_rec_H: logits of D_I on G(f_L) and G(f_H), with gradients to G.
        form: ``minimax``, the terms of eq. (3) that depend on G, or ``non_saturating``; see Choice.

    Returns:
        a scalar.

    Choice:
        The same two forms as for eq. (1), see ``L_adv_DF_G``; ``non_saturating`` is the default.

    >>> round(L_adv_DI_G(torch.zeros(2), torch.zeros(2)).item(), 3)
    1.386
    """
    check_choice("form", form, "non_saturating", "minimax")
    if form == "minimax":
        return nnf.logsigmoid(-z_rec_L).mean() + nnf.logsigmoid(-z_rec_H).mean()
    return -nnf.logsigmoid(z_rec_L).mean() - nnf.logsigmoid(z_rec_H).mean()


def L_con(g_hat: Tensor, g: Tensor) -> Tensor:
    """Feature consistency: F shall see the same in a recovered image as in its HR original. Not in the paper.

    Squared Euclidean distance of GAP(F(G(f))) and GAP(F(x)), both scaled to unit length, averaged over images.

    Args:
        g_hat: maps of the recovered images ``(b, d, h, w)``.
        g: maps of their originals, the same shape; they are a target and get no gradient.

    Returns:
        a scalar from 0 to 4.

    Choice:
        CAD-Net++ (Li et al., arXiv 2002.09274) names such a loss; its equation was not available to us, so this is our
        reading of it.

    >>> a, b = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)  # a right angle
    >>> L_con(a, b).item()
    2.0
    """
    found, wanted = (nnf.normalize(maps.mean(dim=(2, 3)), dim=1) for maps in (g_hat, g.detach()))
    return (found - wanted).square().sum(1).mean()


def L_id(logits: Tensor, y: Tensor) -> Tensor:
    """Identity loss of eq. (4): softmax cross-entropy of C's logits and the true identity.

    Args:
        logits: C(v), ``(b, identities)``.
        y: labels ``(b,)``, integers in ``[0, identities)``.

    Returns:
        a scalar ``>= 0``; ``ln(identities)`` for a uniform prediction.

    >>> round(L_id(torch.zeros(2, 10), torch.tensor([3, 7])).item(), 3)
    2.303
    """
    return nnf.cross_entropy(logits, y)


def pairwise_distances(u: Tensor) -> Tensor:
    """Euclidean distances between all rows.

    Args:
        u: ``(b, n)``.

    Returns:
        ``(b, b)``, symmetric, zero on the diagonal. Pairs at distance 0 get gradient 0, not NaN. The differences
        are squared directly: ``|a|^2 + |b|^2 - 2ab`` is inaccurate for small distances between long vectors.

    >>> pairwise_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[0., 5.],
            [5., 0.]])
    """
    u = u.to(torch.promote_types(u.dtype, torch.float32))  # never in half precision
    return torch.cdist(u, u, compute_mode="donot_use_mm_for_euclid_dist")  # (b, b)


def triplet(
    u: Tensor, y: Tensor, margin: float = 2.0, mining: Literal["batch_hard", "batch_all"] = "batch_hard"
) -> tuple[Tensor, Tensor]:
    """One of the two expectations of eq. (5): E max(0, margin + d_pos - d_neg) over one batch.

    Args:
        u: feature vectors ``(b, n)``.
        y: labels ``(b,)``. Every identity needs two images to have a positive; anchors without one are left out.
        margin: margin of eq. (5), 2 in Sec. 4.1.
        mining: which pairs; see Choice.

    Returns:
        the loss, and the share of active triplets (those with a positive hinge); at 0 all triplets keep the margin,
        and the gradient is 0.

    Raises:
        ValueError: when the batch has no positive or no negative pair, or for an unknown mining.

    Choice:
        The paper does not specify the pairs. ``batch_hard`` takes for each anchor its farthest positive and its nearest
        negative, as in the reference it cites (Hermans et al., 2017). ``batch_all`` averages over all valid triplets.

    >>> u = torch.tensor([[0.0], [1.0], [5.0], [6.0]])
    >>> loss, active = triplet(u, torch.tensor([0, 0, 1, 1]), margin=4.5)
    >>> round(loss.item(), 2), active.item()
    (1.0, 1.0)
    """
    check_choice("mining", mining, "batch_hard", "batch_all")
    d = pairwise_distances(u)  # (b, b)
    same = y[:, None] == y[None, :]
    positive = same & ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    anchors = positive.any(1) & (~same).any(1)
    if not anchors.any():
        raise ValueError(
            f"{len(y)} images of {len(y.unique())} identities hold no triplet: "
            "eq. (5) needs at least two identities and two images of one of them."
        )
    if mining == "batch_hard":
        d_pos = d.masked_fill(~positive, float("-inf")).amax(1)[anchors]  # the farthest of the same identity
        d_neg = d.masked_fill(same, float("inf")).amin(1)[anchors]  # the nearest of another
        hinge = (margin + d_pos - d_neg).clamp(min=0)
    else:
        triplets = positive[:, :, None] & ~same[:, None, :]  # (anchor, positive, negative)
        hinge = (margin + d[:, :, None] - d[:, None, :]).clamp(min=0)[triplets]
    return hinge.mean(), (hinge > 0).float().mean().detach()


def L_tri(
    u_H: Tensor,
    y_H: Tensor,
    u_L: Tensor,
    y_L: Tensor,
    margin: float = 2.0,
    mining: Literal["batch_hard", "batch_all"] = "batch_hard",
) -> tuple[Tensor, Tensor]:
    """Triplet loss, eq. (5): images of one identity closer than others by a margin, within HR and within LR.

    L_tri = E_H max(0, margin + d_pos^H - d_neg^H) + E_L max(0, margin + d_pos^L - d_neg^L)

    Args:
        u_H, y_H: vectors ``(b, n)`` and labels ``(b,)`` of the HR batch.
        u_L, y_L: of the LR batch. Pairs are formed within a resolution only.
        margin, mining: see ``triplet``.

    Returns:
        the loss, and the mean share of active triplets.

    Choice:
        The paper does not specify the vectors of the distance d. We use u, by which images are matched (Sec. 3.1).
    """
    tri_H, active_H = triplet(u_H, y_H, margin, mining)
    tri_L, active_L = triplet(u_L, y_L, margin, mining)
    return tri_H + tri_L, (active_H + active_L) / 2  # eq. (5)


def L_cls(L_id: Tensor, L_tri: Tensor) -> Tensor:
    """Classification loss, eq. (4): L_cls = L_id + L_tri."""
    return L_id + L_tri  # eq. (4)


def L_total(
    L_cls: Tensor, L_adv_DF: Tensor, L_rec: Tensor, L_adv_DI: Tensor, adv_DF: float, rec: float, adv_DI: float
) -> Tensor:
    """Full objective, eq. (6), which E, G, F and C minimise.

    L = L_cls + lambda_adv^{D_F} L_adv^{D_F} + lambda_rec L_rec + lambda_adv^{D_I} L_adv^{D_I}

    A term of weight 0 is left out, even if it is infinite or NaN.

    Args:
        L_cls, L_adv_DF, L_rec, L_adv_DI: the values of eq. (4), (1), (2) and (3), scalars; the adversarial ones
            on the side of E and G.
        adv_DF, rec, adv_DI: the three lambdas.

    Returns:
        a scalar.

    >>> one, nan = torch.tensor(1.0), torch.tensor(float("nan"))
    >>> L_total(one, one, one, nan, adv_DF=1, rec=2, adv_DI=0).item()
    4.0
    """
    L = L_cls
    for lam, term in ((adv_DF, L_adv_DF), (rec, L_rec), (adv_DI, L_adv_DI)):
        if lam:
            L = L + lam * term  # eq. (6)
    return L
