"""Textures: what is painted on the surface of each body part.

Rows of a texture run down the part, columns once around it, starting at the back; the middle column is the front.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cadnet_edu.walkers.people import Colour, Person, person

TORSO, UPPER_ARM, FOREARM, THIGH, SHIN, SHOE, HEAD, HAIR, HAT, BRIM, BAG, SKIN, SKIRT, HOOD = range(14)
SIZES = {  # rows, columns
    TORSO: (144, 224), UPPER_ARM: (64, 96), FOREARM: (64, 80), THIGH: (80, 112), SHIN: (80, 96), SHOE: (12, 32),
    HEAD: (64, 128), HAIR: (32, 48), HAT: (32, 96), BRIM: (8, 16), BAG: (64, 96), SKIN: (1, 1), SKIRT: (80, 192),
    HOOD: (8, 16),
}  # fmt: skip
LENGTH = {TORSO: 0.36, UPPER_ARM: 0.20, FOREARM: 0.19, THIGH: 0.28, SHIN: 0.28, SKIRT: 0.24, BAG: 0.2}
AROUND = {TORSO: 0.56, UPPER_ARM: 0.21, FOREARM: 0.18, THIGH: 0.36, SHIN: 0.26, SKIRT: 0.66, BAG: 0.4}


@dataclass(frozen=True)
class Wardrobe:
    """All textures of one person in one table of colours."""

    texels: np.ndarray  # ``(n, 3)`` float32 in [0, 1], one texture after the other, row by row
    start: np.ndarray  # of the texture of each part, by part number: its first texel, its size
    rows: np.ndarray
    columns: np.ndarray
    soft: np.ndarray  # 1 for cloth, which folds, and 0 for the rest


def wave(kind: str, period: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A woven pattern as a wave in [-1, 1] whose mean is zero, at cloth coordinates ``x`` (around), ``y`` (down).

    Edges are slightly soft so that the drawing does not alias. Kinds without a wave (plain, logo...) give zeros.

    >>> y = (np.arange(8)[:, None] + 0.5) / 8  # two periods of four rows each
    >>> wave("across", 0.5, np.zeros((1, 1)), y).ravel().tolist()
    [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0]
    """
    if period <= 0:
        return np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    k = 2 * np.pi / period
    match kind:
        case "across":
            w = np.sin(k * y) + 0 * x
        case "upright":
            w = np.sin(k * x) + 0 * y
        case "rising":
            w = np.sin(k * (y + x) * 0.75)
        case "falling":
            w = np.sin(k * (y - x) * 0.75)
        case "checks":
            w = np.sin(k * x) * np.sin(k * y) * 1.6
        case "dots":
            w = 2.2 * (np.cos(k * x) + np.cos(k * y) - 0.55)
        case "zigzag":
            w = np.sin(k * (y + np.abs((x / period) % 2 - 1) * period * 0.8))
        case "argyle":
            w = 3 * (np.abs((x / period) % 2 - 1) + np.abs((y / period) % 2 - 1) - 1)
        case _:
            raise ValueError(f"{kind!r} is not a woven pattern")
    w = np.clip(3 * w, -1, 1)
    return np.asarray(w - w.mean(), np.float32)


def _grid(part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``u`` and ``v`` of every texel in [0, 1] (``u = 0.5`` is the front), then ``x`` and ``y`` in body heights."""
    rows, columns = SIZES[part]
    u, v = (np.arange(columns)[None] + 0.5) / columns, (np.arange(rows)[:, None] + 0.5) / rows
    return u, v, (u - 0.5) * AROUND.get(part, 0.3), v * LENGTH.get(part, 0.1)


def _rgb(colour: Colour) -> np.ndarray:
    return np.asarray(colour, np.float32)


def _plain(part: int, colour: Colour | np.ndarray) -> np.ndarray:
    return np.tile(np.asarray(colour, np.float32), (*SIZES[part], 1))


def _cloth(part: int, who: Person) -> np.ndarray:
    """The fabric of the top, pattern and all."""
    _, _, x, y = _grid(part)
    kind = who.pattern if who.period else "plain"
    return _plain(part, who.top_colour) + wave(kind, who.period, x, y)[..., None] * _rgb(who.accent)


def _contrast(colour: Colour) -> np.ndarray:
    """A contrasting colour: off-white on dark cloth, near black on light cloth."""
    return _rgb((0.88, 0.88, 0.84) if sum(colour) < 1.6 else (0.15, 0.15, 0.22))


def _torso(who: Person) -> np.ndarray:
    u, _, x, y = _grid(TORSO)
    t, ink = _cloth(TORSO, who), _contrast(who.top_colour)
    length = LENGTH[TORSO]
    if who.pattern == "logo":
        t[(np.hypot(x - 0.035, y - 0.11) < 0.022) & (np.hypot(x - 0.035, y - 0.11) > 0.010)] = ink
    elif who.pattern == "band":
        t[(np.abs(y - 0.13) < 0.014) & (x > -1)] = ink
    elif who.pattern == "number":
        for side in (x, (u - (u > 0.5)) * 0.56):  # front and back
            ring = np.maximum(np.abs(side) / 0.030, np.abs(y - 0.14) / 0.045)
            t[(ring < 1) & (ring > 0.55)] = ink
            t[(np.abs(side) < 0.02) & (np.abs(y - 0.14) < 0.008)] = ink
    if who.closure == "zip":
        t[(np.abs(x) < 0.004) & (y > 0.02)] = (0.75, 0.75, 0.78)
        t[(np.abs(np.abs(x) - 0.008) < 0.003) & (y > 0.02)] *= 0.6
    elif who.closure == "buttons":
        t[np.hypot(x, (y % 0.045) - 0.022) < 0.007] = ink
    if who.top in ("t-shirt", "shirt"):
        t[(np.abs(x) < 0.045 - y * 0.9) & (y < 0.045)] = who.skin
    if who.top in ("jacket", "coat"):
        t[(np.abs(np.abs(x) - (0.045 - y * 0.3)) < 0.007) & (y < 0.14)] *= 0.62  # lapels
        t[(np.abs(y - 0.265) < 0.004) & (np.abs(np.abs(x) - 0.075) < 0.03)] *= 0.6  # pockets
    if who.top == "hoodie":
        t[(np.abs(y - 0.25) < 0.004) & (np.abs(x) < 0.07)] *= 0.65
        t[(np.abs(np.abs(x) - 0.012) < 0.003) & (y < 0.09)] = ink
    t[y[:, 0] > length - 0.012] *= 0.8  # hem
    strap = _rgb(who.bag_colour) * 0.75
    if who.bag == "backpack":
        t[(np.abs(np.abs(x) - 0.062) < 0.011) & (y < 0.2)] = strap
    elif who.bag == "shoulder bag":  # from one shoulder to the other hip, front and back
        t[np.abs(np.abs(x) * np.sign(x) * 2.2 * np.sign(0.14 - np.abs(x)) + y - 0.19) < 0.014] = strap
    return t


def _sleeve(part: int, who: Person) -> np.ndarray:
    _, v, _, _ = _grid(part)
    t = _cloth(part, who)
    if who.top == "t-shirt":
        t[v[:, 0] > (0.62 if part == UPPER_ARM else 0.0)] = who.skin
    elif part == FOREARM:
        t[v[:, 0] > 0.9] *= 0.8  # cuff
    return t


def _leg(part: int, who: Person) -> np.ndarray:
    u, v, x, y = _grid(part)
    t = _plain(part, who.bottom_colour)
    light = _contrast(who.bottom_colour)
    if who.leg_detail == "side stripe":
        t[:, np.abs(np.abs(u[0] - 0.5) - 0.25) < 0.035] = light
    elif who.leg_detail == "pinstripe":
        t += wave("upright", 0.03, x, y)[..., None] * 0.09
    elif who.leg_detail == "knee patch":
        knee = 0.92 if part == THIGH else 0.06
        t[(np.abs(v - knee) < 0.11) & (np.abs(u - 0.5) < 0.14)] = 0.45 * light + 0.55 * _rgb(who.bottom_colour)
    bare = {"trousers": 2.0, "shorts": 0.80 if part == THIGH else -1.0, "skirt": -1.0}[who.bottom]
    hem = bare if part == THIGH or bare != 2.0 else 0.96
    if who.leg_detail == "turn-ups" and who.bottom != "skirt":
        t[np.abs(v[:, 0] - hem + 0.05) < 0.05] = 0.5 * light + 0.5 * _rgb(who.bottom_colour)
    t[v[:, 0] > bare] = who.skin
    return t


def _skirt(who: Person) -> np.ndarray:
    """A skirt, or the tail of a coat."""
    if who.top == "coat":
        t = _cloth(SKIRT, who)
        _, v, x, _ = _grid(SKIRT)
        t[np.broadcast_to(np.abs(x) < 0.004, t.shape[:2])] *= 0.55
        t[v[:, 0] > 0.96] *= 0.8
        return t
    _, v, x, y = _grid(SKIRT)
    t = _plain(SKIRT, who.bottom_colour)
    light = _contrast(who.bottom_colour)
    if who.leg_detail in ("side stripe", "turn-ups"):
        t[np.abs(v[:, 0] - (0.8 if who.leg_detail == "side stripe" else 0.95)) < 0.05] = light
    elif who.leg_detail == "pinstripe":
        t += wave("upright", 0.045, x, y)[..., None] * 0.10
    elif who.leg_detail == "knee patch":
        t += wave("dots", 0.06, x, y)[..., None] * 0.12
    return t


def _head(who: Person) -> np.ndarray:
    """Face in front, hair on top, at the sides and behind."""
    u, v, _, _ = _grid(HEAD)
    a = np.abs(u - 0.5) * 2  # 0 at the nose, 1 at the back of the head
    t = _plain(HEAD, who.skin)
    rows, columns = SIZES[HEAD]
    face = np.broadcast_to(a, (rows, columns))
    for cx in (-0.058, 0.058):  # eyes: white, iris, brow
        t[np.hypot((u - 0.5 - cx) / 0.030, (v - 0.50) / 0.030) < 1] = (0.85, 0.84, 0.82)
        t[np.hypot((u - 0.5 - cx) / 0.017, (v - 0.50) / 0.034) < 1] = (0.16, 0.11, 0.09)
        t[(np.abs(u - 0.5 - cx) < 0.036) & (np.abs(v - 0.425) < 0.016)] = _rgb(who.hair_colour) * 0.8
        if who.glasses:
            ring = np.hypot((u - 0.5 - cx) / 0.05, (v - 0.5) / 0.075)
            t[(ring < 1) & (ring > 0.66)] = (0.08, 0.08, 0.09)
    t[(np.abs(u - 0.5) < 0.016) & (v > 0.5) & (v < 0.66)] *= 1.08
    t[(np.abs(u - 0.5) < 0.026) & (np.abs(v - 0.67) < 0.016)] *= 0.72
    t[(np.abs(u - 0.5) < 0.048) & (np.abs(v - 0.79) < 0.018)] = _rgb(who.skin) * _rgb((0.78, 0.5, 0.5))
    t[np.hypot((a - 0.5) / 0.06, (v - 0.55) / 0.10) < 1] = _rgb(who.skin) * 0.82  # ears
    if who.beard:
        t[(v > 0.66 + 0.12 * (a < 0.07)) & (face < 0.5) & ~((np.abs(v - 0.79) < 0.02) & (face < 0.1))] = who.hair_colour
    if who.hair != "bald":
        nape = {"short": 0.72, "bun": 0.78, "tail": 0.78}.get(who.hair, 1.1)
        line = np.where(a < 0.36, 0.30 - 0.05 * np.cos(a * 9), np.where(a < 0.56, 0.44, nape))
        t[v < line] = who.hair_colour
        strands = 1 + 0.07 * np.sin(u * 150 + 6 * np.sin(v * 9)) + 0.05 * np.sin(u * 61 + 3)
        t = np.where((v < line)[..., None], t * strands[..., None], t)
    return t


def _bag(who: Person) -> np.ndarray:
    u, v, _, _ = _grid(BAG)
    t = _plain(BAG, who.bag_colour)
    light = _contrast(who.bag_colour)
    t[np.abs(v[:, 0] - 0.28) < 0.02] *= 0.55
    for front in (u - 0.5, u - (u > 0.5)):  # the same on both faces
        if who.bag_detail == "badge":
            t[np.hypot(front * 4, (v - 0.6) * 2) < 0.24] = light
        elif who.bag_detail == "pocket":
            t[(np.maximum(np.abs(front) * 4 / 0.55, np.abs(v - 0.68) / 0.2) < 1)] *= 0.62
    if who.bag_detail == "stripe":
        t[np.abs(v[:, 0] - 0.6) < 0.06] = light
    return t


def _hat(who: Person) -> np.ndarray:
    _, v, _, _ = _grid(HAT)
    t = _plain(HAT, who.hat_colour)
    t[(v[:, 0] > 0.60) & (v[:, 0] < 0.84)] = who.hat_band
    return t


def _hair(who: Person) -> np.ndarray:
    u, v, _, _ = _grid(HAIR)
    return _plain(HAIR, who.hair_colour) * (1 + 0.1 * np.sin(u * 150 + 4 * np.sin(v * 7)))[..., None]


def _shoe(who: Person) -> np.ndarray:
    t = _plain(SHOE, who.shoe_colour)
    t[-3:] = _rgb((0.8, 0.8, 0.78) if sum(who.shoe_colour) < 1.8 else (0.35, 0.3, 0.28))
    return t


@lru_cache(maxsize=96)
def wardrobe(identity: int, seed: int) -> Wardrobe:
    """The textures of one identity, shared by all its images."""
    who = person(identity, seed)
    painted = {
        TORSO: _torso(who), UPPER_ARM: _sleeve(UPPER_ARM, who), FOREARM: _sleeve(FOREARM, who),
        THIGH: _leg(THIGH, who), SHIN: _leg(SHIN, who), SHOE: _shoe(who), HEAD: _head(who), HAIR: _hair(who),
        HAT: _hat(who), BRIM: _plain(BRIM, _rgb(who.hat_colour) * 0.85), BAG: _bag(who),
        SKIN: _plain(SKIN, who.skin), SKIRT: _skirt(who), HOOD: _plain(HOOD, _rgb(who.top_colour) * 0.9),
    }  # fmt: skip
    rows, columns = np.array([SIZES[p] for p in range(len(SIZES))]).T
    start = np.concatenate([[0], np.cumsum(rows * columns)[:-1]])
    texels = np.concatenate([painted[p].reshape(-1, 3) for p in range(len(SIZES))])
    bare = {FOREARM: who.top == "t-shirt", THIGH: who.bottom == "skirt", SHIN: who.bottom != "trousers"}
    folds = [p in (TORSO, UPPER_ARM, FOREARM, THIGH, SHIN, SKIRT) and not bare.get(p, False) for p in range(len(SIZES))]
    soft = np.array(folds, np.float32)
    return Wardrobe(np.clip(texels, 0, 1).astype(np.float32), start, rows, columns, soft)
