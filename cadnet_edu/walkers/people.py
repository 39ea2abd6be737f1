"""Identities: body, clothes, and the fine detail in which look-alikes differ.

The identities ``4k`` to ``4k + 3`` are a **group of look-alikes**. They share all that survives down-sampling (the
fields in `COARSE`) and differ in what it destroys (the fields in `FINE`). A pattern is a wave of *zero mean* added to
the colour of the cloth, so that averaging over some pixels leaves the same plain colour for all four.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

GROUP = 4  # identities in one group of look-alikes

Colour = tuple[float, float, float]
T = TypeVar("T")

CLOTH: dict[str, Colour] = {
    "white": (0.82, 0.82, 0.80), "grey": (0.52, 0.53, 0.55), "black": (0.15, 0.15, 0.17), "red": (0.74, 0.16, 0.17),
    "burgundy": (0.42, 0.13, 0.20), "orange": (0.84, 0.46, 0.17), "yellow": (0.84, 0.72, 0.25),
    "green": (0.20, 0.50, 0.27), "olive": (0.41, 0.42, 0.24), "teal": (0.16, 0.52, 0.55),
    "blue": (0.22, 0.40, 0.74), "navy": (0.15, 0.19, 0.36), "purple": (0.45, 0.26, 0.55),
    "pink": (0.82, 0.52, 0.62), "beige": (0.74, 0.65, 0.51), "brown": (0.42, 0.29, 0.20), "sky": (0.52, 0.68, 0.82),
}  # fmt: skip
TROUSERS = ("black", "navy", "grey", "beige", "brown", "blue", "olive", "white", "burgundy")
SHOES: dict[str, Colour] = {
    "white": (0.88, 0.88, 0.86), "black": (0.10, 0.10, 0.11), "red": (0.75, 0.14, 0.14),
    "brown": (0.38, 0.24, 0.14), "lime": (0.66, 0.80, 0.20), "blue": (0.18, 0.34, 0.72),
}  # fmt: skip
SKIN: tuple[Colour, ...] = ((0.91, 0.75, 0.65), (0.83, 0.65, 0.52), (0.68, 0.49, 0.36), (0.50, 0.34, 0.24),
                            (0.34, 0.23, 0.17))  # fmt: skip
HAIR: dict[str, Colour] = {
    "black": (0.09, 0.08, 0.08), "brown": (0.26, 0.17, 0.11), "fair": (0.70, 0.55, 0.32), "red": (0.50, 0.23, 0.11),
    "grey": (0.62, 0.61, 0.60),
}  # fmt: skip

# The fine patterns: kind, and period in body heights. On a person 84 pixels tall (an image of 96 x 48) a period takes
# 5 to 9 pixels: drawn well there and at half the resolution, but a quarter of the resolution holds no period under 8
# pixels (Nyquist).
WOVEN: tuple[tuple[str, float], ...] = (
    ("across", 0.062), ("across", 0.105), ("upright", 0.062), ("upright", 0.100), ("rising", 0.075),
    ("falling", 0.075), ("checks", 0.080), ("checks", 0.125), ("dots", 0.070), ("dots", 0.110), ("zigzag", 0.085),
    ("argyle", 0.110),
)  # fmt: skip
PRINTED: tuple[tuple[str, float], ...] = (("plain", 0.0), ("logo", 0.0), ("band", 0.0), ("number", 0.0))


@dataclass(frozen=True)
class Person:
    """One identity: the coarse fields are shared by its group of look-alikes, the fine ones are its own.

    Lengths are in body heights of an average person; colours are RGB in [0, 1].
    """

    identity: int
    group: int
    # coarse
    height: float
    build: float
    skin: Colour
    hair: str
    hair_colour: Colour
    beard: bool
    hat: str
    hat_colour: Colour
    top: str
    top_name: str
    top_colour: Colour
    accent: Colour
    bottom: str
    bottom_name: str
    bottom_colour: Colour
    bag: str
    bag_colour: Colour
    stride: float
    # fine
    pattern: str
    period: float
    closure: str
    leg_detail: str
    shoe_name: str
    shoe_colour: Colour
    hat_band: Colour
    bag_detail: str
    glasses: bool


FINE = ("pattern", "period", "closure", "leg_detail", "shoe_name", "shoe_colour", "hat_band", "bag_detail", "glasses")
COARSE = tuple(name for name in Person.__dataclass_fields__ if name not in (*FINE, "identity", "group"))


def _one(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the options; weights need not sum to one."""
    p = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return options[int(rng.choice(len(options), p=p))]


def _near(rng: np.random.Generator, colour: Colour, spread: float = 0.04) -> Colour:
    """A colour near the given one."""
    r, g, b = np.clip(np.asarray(colour) + rng.normal(0, spread, 3), 0.05, 0.92).tolist()
    return r, g, b


def _accent(rng: np.random.Generator, base: Colour) -> Colour:
    """The amplitude of a pattern: as large as the colour cube allows around ``base``, so that nothing is clipped."""
    step = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.45, 3)
    step *= 0.34 / np.abs(step).max()
    headroom = np.minimum(np.asarray(base), 1 - np.asarray(base)) + 0.06
    r, g, b = np.clip(step, -headroom, headroom).tolist()
    return r, g, b


@lru_cache(maxsize=4096)
def person(identity: int, seed: int = 0) -> Person:
    """The appearance of one identity, the same in any set and on any machine.

    One random stream, of the group (``identity // 4``), draws what look-alikes share; another, of the identity, its own
    detail. Patterns, shoes, trouser, hat and bag details are permuted in a group, so no two members agree in any.

    >>> a, b = person(4), person(7)
    >>> a.group == b.group, a.top_colour == b.top_colour, (a.pattern, a.period) == (b.pattern, b.period)
    (True, True, False)
    """
    group, member = divmod(identity, GROUP)
    ours, mine = np.random.default_rng([seed, 1, group]), np.random.default_rng([seed, 2, identity])
    top_name, bottom_name = _one(ours, tuple(CLOTH)), _one(ours, TROUSERS)
    top_colour = _near(ours, CLOTH[top_name])
    hair = _one(ours, ("short", "long", "bob", "bun", "bald", "tail"), (5, 3, 2, 1.2, 0.8, 1.5))
    woven = [WOVEN[i] for i in ours.permutation(len(WOVEN))[: GROUP - 1]]
    patterns = [*woven, PRINTED[int(ours.integers(len(PRINTED)))]]
    pattern, period = patterns[int(ours.permutation(GROUP)[member])]

    def dealt(options: Sequence[T]) -> T:
        """An option that no other member of the group has."""
        return options[int(ours.permutation(len(options))[member])]

    shoe = dealt(tuple(SHOES))
    return Person(
        identity=identity,
        group=group,
        height=float(np.clip(ours.normal(1.0, 0.04), 0.9, 1.08)),
        build=float(np.clip(ours.normal(1.0, 0.10), 0.8, 1.3)),
        skin=_near(ours, _one(ours, SKIN), 0.02),
        hair=hair,
        hair_colour=_near(ours, HAIR[_one(ours, tuple(HAIR), (4, 4, 2, 1, 1.5))], 0.02),
        beard=bool(hair in ("short", "bald") and ours.random() < 0.25),
        hat=_one(ours, ("none", "cap", "beanie", "brim"), (6, 1.5, 1.2, 1)),
        hat_colour=_near(ours, CLOTH[_one(ours, tuple(CLOTH))]),
        top=_one(ours, ("t-shirt", "shirt", "jacket", "hoodie", "coat"), (3, 2, 2.5, 2, 2)),
        top_name=top_name,
        top_colour=top_colour,
        accent=_accent(ours, top_colour),
        bottom=_one(ours, ("trousers", "shorts", "skirt"), (6, 2, 2)),
        bottom_name=bottom_name,
        bottom_colour=_near(ours, CLOTH[bottom_name]),
        bag=_one(ours, ("none", "backpack", "shoulder bag", "hand bag"), (4, 3, 2, 1.5)),
        bag_colour=_near(ours, CLOTH[_one(ours, tuple(CLOTH))]),
        stride=float(ours.uniform(0.75, 1.15)),
        pattern=pattern,
        period=period,
        closure=_one(mine, ("none", "zip", "buttons"), (3, 1, 1)),
        leg_detail=dealt(("plain", "side stripe", "pinstripe", "knee patch", "turn-ups")),
        shoe_name=shoe,
        shoe_colour=SHOES[shoe],
        hat_band=SHOES[dealt(tuple(SHOES))],
        bag_detail=dealt(("plain", "stripe", "badge", "pocket")),
        glasses=bool(mine.random() < 0.25),
    )
