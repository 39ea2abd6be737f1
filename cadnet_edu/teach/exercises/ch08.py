"""Checks for chapter 08: the full objective, what a step moved, and the learning rate's way up and down."""

import math
from collections.abc import Callable

import numpy as np
import torch

from cadnet_edu.teach.exercises.report import answer, expect, reports, require

__all__ = ["check_lr_factor", "check_moved", "check_total"]


@reports("each term with its own weight, and a weight of 0 leaves no trace.")
def check_total(student: Callable) -> None:
    """Check ``total(cls, adv_DF, rec, adv_DI, lam)``: eq. (6), as E, G, F and C descend it.

    ``lam`` holds the weights ``(adv_DF, rec, adv_DI)``; all other arguments and the result are numbers.
    """
    lam = (0.05, 1000.0, 0.005)
    mistakes = {
        "the weights have no effect.": 2 + 0.5 + 0.04 + 1.5,
        "the adversarial terms are taken away. These are the values that E and G descend: all terms of eq. (6) are "
        "added.": 2 - 0.025 + 40 - 0.0075,
        "the second and third weight are exchanged: they come as (adv_DF, rec, adv_DI).": 2 + 0.025 + 0.0002 + 1500,
        "L_cls is missing: it has no weight, and it belongs to the sum.": 40.0325,
        "this is the mean of the terms; eq. (6) is their sum.": 42.0325 / 4,
        "the sum is divided by the sum of the weights; eq. (6) does not.": 42.0325 / (1 + sum(lam)),
    }
    expect(answer(student, 2.0, 0.5, 0.04, 1.5, lam), 42.0325, "L_cls = 2, L = 0.5, 0.04, 1.5", mistakes)
    got = answer(student, 2.0, 0.5, float("nan"), 1.5, (1.0, 0.0, 1.0))
    require(
        np.isfinite(got).all(),
        "0 times NaN is NaN: a term whose weight is 0 must be left out, not multiplied away. A part that is switched "
        "off must not be able to ruin the rest.",
    )
    expect(got, 4.0, "a term that is no number and has the weight 0")
    expect(answer(student, 3.0, 1.0, 1.0, 1.0, (0.0, 0.0, 0.0)), 3.0, "all three weights 0")


PARTS = ("E", "G", "F", "C", "D_F", "D_I")


@reports("number by number, and by what stands before the first dot.")
def check_moved(student: Callable) -> None:
    """Check ``moved(before, after)``: which of E, G, F, C, D_F, D_I a step has changed.

    Both arguments are dicts from a weight's name (``"D_F.layers.0.weight"``) to its tensor. The result is a list of six
    truth values, in that order.
    """
    names = "E.conv.weight E.bn.weight G.to_rgb.bias F.conv.weight C.fc.weight D_F.0.weight D_I.fc.weight"
    before = {name: torch.arange(4.0) for name in names.split()}

    def changed(*which: str) -> dict[str, torch.Tensor]:
        step = torch.tensor([0.5, -0.5, 0.0, 0.0])
        return {name: t + step if name in which else t.clone() for name, t in before.items()}

    mistakes = {
        "F counts as moved, as 'D_F' holds an F too: compare what stands before the first dot.": [0, 0, 1, 0, 1, 1],
        "you compared objects, not numbers: equal tensors in two dicts are still two objects.": [1] * 6,
        "these are the parts that did not move.": [1, 1, 1, 1, 0, 0],
        "nothing seems to have moved. One changed number is enough, and changes may cancel in a sum: compare number by "
        "number.": [0] * 6,
    }
    got = answer(student, before, changed("D_F.0.weight", "D_I.fc.weight"))
    expect(got, [0, 0, 0, 0, 1, 1], "a step of the judges", mistakes)
    mistakes = {"E moved in its second tensor and counts as still: any tensor of a part is enough.": [0, 1, 0, 0, 0, 0]}
    got = answer(student, before, changed("E.bn.weight", "G.to_rgb.bias"))
    expect(got, [1, 1, 0, 0, 0, 0], "a step of E and G", mistakes)
    expect(answer(student, before, changed()), [0] * 6, "no step at all")


@reports("up in a line, down in half a cosine, and no step at rate 0.")
def check_lr_factor(student: Callable) -> None:
    """Check ``lr_factor(step, steps, warmup)``: what the learning rate is multiplied with, steps counted from 0.

    For ``warmup`` steps it grows in a line to 1; after that it is ``(1 + cos(pi step / steps)) / 2``.
    """
    mistakes = {
        "the first step has the rate 0 and is lost: steps are counted from 0, so take (step + 1) / warmup.": 0.0,
        "the warm-up has no effect.": 1.0,
        "the warm-up is divided by all steps; divide by its own length.": 0.01,
    }
    expect(answer(student, 0, 100, 10), 0.1, "step 0 of 100, warm-up 10", mistakes)
    half, quarter, eighth = ((1 + math.cos(angle * math.pi)) / 2 for angle in (0.09, 1 / 4, 1 / 8))
    mistakes = {"warm-up and cosine are multiplied; the line replaces the cosine.": half}
    expect(answer(student, 9, 100, 10), 1.0, "step 9 of 100, warm-up 10, the last of it", mistakes)
    mistakes = {
        "this falls in a line; take the cosine.": 0.75,
        "the cosine runs from 1 to -1; add 1 and halve.": math.cos(math.pi / 4),
        "this is a quarter of a wave; (1 + cos) / 2 over pi, half a wave, is what is asked for.": math.cos(math.pi / 8),
        "at the end this is a half; the rate has to end at 0, so the cosine runs over pi.": eighth,
        "the angle is in degrees; math.cos wants radians: pi, not 180.": (1 + math.cos(45)) / 2,
    }
    expect(answer(student, 25, 100, 0), quarter, "step 25 of 100, no warm-up", mistakes)
    later = (1 + math.cos(math.pi * 10 / 90)) / 2
    mistakes = {"your cosine starts after the warm-up. That is in use too; here it counts all steps.": later}
    expect(answer(student, 20, 100, 10), (1 + math.cos(0.2 * math.pi)) / 2, "step 20 of 100, warm-up 10", mistakes)
