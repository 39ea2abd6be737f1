"""Scenes: cameras, backgrounds, and occluding objects.

A camera fixes viewpoint, light, colours, noise and street; each image shows another part of its street.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

STRIP = 5  # a street is this many images wide
SCENES = ("bricks", "shops", "park", "station", "road", "plaza")


@dataclass(frozen=True)
class Camera:
    """One camera. Angles in radians."""

    scene: str  # the street behind, one of `SCENES`
    elevation: float  # its angle downwards
    facing: float  # the direction in which most people walk past; 0 is towards the camera
    scale: float  # how much of the crop's height a person fills
    light: tuple[float, float, float]  # from the person to the lamp, of length 1: x right, y down, z to the viewer
    ambient: float  # the share of light that comes from everywhere
    cast: tuple[float, float, float]  # gain of red, green and blue
    gamma: float  # exponent of the tone curve
    noise: float  # standard deviation in grey levels of 255
    blur: float  # standard deviation in image heights
    horizon: float  # position of the horizon from the top, in image heights


@lru_cache(maxsize=256)
def camera_of(camera: int, seed: int = 0) -> Camera:
    """The settings of one camera. Neighbouring numbers get different streets and walking directions."""
    rng = np.random.default_rng([seed, 3, camera])
    side = rng.choice([-1.0, 1.0])
    light = np.array([side * rng.uniform(0.35, 0.8), -rng.uniform(0.35, 0.8), rng.uniform(0.3, 0.7)])
    x, y, z = (light / np.linalg.norm(light)).tolist()
    warm, tint = rng.normal(0, 0.05), rng.normal(0, 0.02)
    gain = rng.uniform(0.92, 1.08)
    elevation = float(rng.uniform(0.05, 0.30))
    return Camera(
        scene=SCENES[(camera + seed) % len(SCENES)],
        elevation=elevation,
        facing=float((camera * 2.4 + rng.normal(0, 0.4)) % (2 * np.pi)),
        scale=float(rng.uniform(0.84, 0.92)),
        light=(x, y, z),
        ambient=float(rng.uniform(0.50, 0.66)),
        cast=(gain * (1 + warm), gain * (1 + tint), gain * (1 - warm)),
        gamma=float(rng.uniform(0.9, 1.12)),
        noise=float(rng.uniform(0.8, 2.5)),
        blur=float(rng.uniform(0.0, 0.004)),
        horizon=float(0.30 - 0.75 * elevation + rng.uniform(0.12, 0.26)),
    )


def clouds(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """Smooth random values of mean 0 and deviation near 1: a coarse random grid blown up to ``shape``.

    The grid does not depend on the shape, so the same clouds appear at every image size.
    """
    grid = Image.fromarray(rng.normal(0, 1, cells).astype(np.float32))
    return np.asarray(grid.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _ground(kind: str, x: np.ndarray, y: np.ndarray, horizon: float, rng: np.random.Generator) -> np.ndarray:
    """The floor, seen in perspective: lines at equal steps on the ground crowd together towards the horizon."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    depth = 1 / np.maximum(y - horizon + 0.12, 0.02)
    gx, gz = (x - 1.2) * depth * 0.75, depth * 1.1
    base = {"bricks": (0.56, 0.53, 0.50), "shops": (0.62, 0.60, 0.57), "park": (0.62, 0.55, 0.43),
            "station": (0.60, 0.61, 0.63), "road": (0.36, 0.36, 0.38), "plaza": (0.66, 0.62, 0.56)}[kind]  # fmt: skip
    step = {"bricks": 0.45, "shops": 0.5, "station": 0.7, "plaza": 0.35}.get(kind)
    value = np.ones(shape) + 0.05 * clouds(rng, shape, (24, 120)) + 0.03 * clouds(rng, shape, (120, 600))
    if step:
        column, row = np.floor(gx / step).astype(int), np.floor(gz / step).astype(int)
        tint = rng.normal(0, 0.045, 4096)
        value += tint[(column * 57 + row * 131) & 4095]
        edge = np.minimum(gx / step - column, 1 - (gx / step - column))
        value -= 0.16 * ((edge < 0.03) | ((gz / step - row) < 0.05))
    else:
        value += 0.06 * clouds(rng, shape, (200, 900))
    return value[..., None] * np.array(base)


def _bricks(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    high, wide = 0.028, 0.075
    row = np.floor(y / high).astype(int)
    along = x / wide + 0.5 * (row % 2)
    column = np.floor(along).astype(int)
    tint = rng.normal(0, 0.09, (4096, 1)) + rng.normal(0, 0.02, (4096, 3))
    wall = np.array([0.55, 0.32, 0.25]) * rng.uniform(0.8, 1.2) + tint[(column * 61 + row * 197) & 4095]
    mortar = ((along - column) < 0.07) | ((y / high - row) < 0.14)
    wall[mortar] = (0.60, 0.57, 0.52)
    return wall


def _shops(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, y.shape)
    wall = np.full((*shape, 3), (0.62, 0.58, 0.52))
    xs = x[0]
    left = 0.0
    while left < 0.5 * STRIP:
        wide = rng.uniform(0.35, 0.7)
        own = (xs >= left) & (xs < left + wide)
        sign, frame, glow = rng.uniform(0.1, 0.8, 3), rng.uniform(0.1, 0.5, 3), rng.uniform(0.25, 0.6, 3)
        wall[:, own] = frame
        wall[(y[:, 0] < 0.13)[:, None] & own] = sign
        pane = (xs >= left + 0.03) & (xs < left + wide - 0.03)
        inside = (y[:, 0] > 0.16)[:, None] & pane
        soft = glow + 0.10 * clouds(rng, shape, (14, 60))[..., None] + 0.22 * (y - 0.3)[..., None]
        wall[inside] = soft[inside]
        for _ in range(int(rng.integers(2, 6))):  # things on display
            cx, cy = left + rng.uniform(0.05, max(wide - 0.05, 0.06)), rng.uniform(0.25, 0.5)
            box = (np.abs(x - cx) < rng.uniform(0.01, 0.05)) & (np.abs(y - cy) < rng.uniform(0.02, 0.08)) & inside
            wall[box] = rng.uniform(0.1, 0.9, 3)
        wall[inside & (np.abs((x + 0.5 * y) % 0.31 - 0.05) < 0.02)] += 0.09  # reflections
        left += wide
    return wall


def _park(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, y.shape)
    leaf = sum(k * clouds(rng, shape, cells) for k, cells in ((0.5, (10, 50)), (0.6, (50, 260)), (0.4, (140, 700))))
    leaf = np.asarray(leaf)
    wall = np.array([0.22, 0.34, 0.15]) + 0.10 * leaf[..., None] * np.array([0.8, 1.0, 0.5])
    for _ in range(7):  # trunks
        cx, half = rng.uniform(0, 0.5 * STRIP), rng.uniform(0.012, 0.035)
        t = (x - cx - 0.02 * np.sin(9 * y)) / half
        bark = np.array([0.33, 0.26, 0.20]) * (1 - 0.45 * t + 0.15 * clouds(rng, shape, (60, 500)))[..., None]
        wall = np.where((np.abs(t) < 1)[..., None], bark, wall)
    return wall


def _station(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tile = 0.06
    tint = rng.normal(0, 0.02, 4096)
    which = np.floor(x / tile).astype(int) * 31 + np.floor(y / tile).astype(int)
    wall = np.array([0.72, 0.76, 0.76]) + tint[which & 4095][..., None]
    wall[((x % tile) < 0.004) | ((y % tile) < 0.004)] = (0.5, 0.53, 0.55)
    for _ in range(5):  # posters
        cx, cy = rng.uniform(0, 0.5 * STRIP), rng.uniform(0.15, 0.35)
        spot = (np.abs(x - cx) < 0.13) & (np.abs(y - cy) < 0.13)
        picture = rng.uniform(0.2, 0.8, 3) + 0.15 * clouds(rng, wall.shape[:2], (16, 90))[..., None]
        wall[spot] = picture[spot]
    band = np.abs(y - 0.06) < 0.025
    wall[np.broadcast_to(band, wall.shape[:2])] = rng.uniform(0.1, 0.7, 3)
    return wall


def _road(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, y.shape)
    wall = np.array([0.56, 0.62, 0.68]) + 0.05 * clouds(rng, shape, (6, 20))[..., None]
    for _ in range(12):  # houses across the road
        cx, half, roof = rng.uniform(0, 0.5 * STRIP), rng.uniform(0.1, 0.25), rng.uniform(-0.05, 0.2)
        house = (np.abs(x - cx) < half) & (y > roof)
        wall[house] = rng.uniform(0.35, 0.7, 3) * 0.5 + 0.25
        windows = house & ((x - cx) % 0.09 < 0.045) & ((y - roof) % 0.12 > 0.05)
        wall[windows] = (0.24, 0.27, 0.32)
    for _ in range(4):  # parked cars
        cx, cy, paint = rng.uniform(0, 0.5 * STRIP), 0.44, rng.uniform(0.1, 0.8, 3)
        wall[((x - cx) / 0.22) ** 4 + ((y - cy) / 0.06) ** 4 < 1] = paint
        wall[((x - cx) / 0.12) ** 4 + ((y - cy + 0.06) / 0.05) ** 4 < 1] = paint * 0.4
    return wall


def _plaza(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shape = np.broadcast_shapes(x.shape, y.shape)
    stone = np.array([0.66, 0.62, 0.54]) + 0.03 * clouds(rng, shape, (80, 400))[..., None]
    stone[np.broadcast_to((y % 0.11) < 0.006, shape)] *= 0.8
    bay = (x % 0.34) - 0.17
    arch = (np.abs(bay) < 0.10) & ((y > 0.16) | (np.hypot(bay, (y - 0.16) * 1.1) < 0.10))
    stone[arch] = np.array([0.30, 0.28, 0.26]) + 0.04 * clouds(rng, shape, (10, 40))[arch][:, None]
    column = np.abs(np.abs(bay) - 0.135) < 0.022
    stone[np.broadcast_to(column, shape)] *= 1.12
    return stone


WALLS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "bricks": _bricks, "shops": _shops, "park": _park, "station": _station, "road": _road, "plaza": _plaza,
}  # fmt: skip


@lru_cache(maxsize=24)
def street(camera: int, seed: int, height: int, width: int) -> Image.Image:
    """The strip of street behind the people of one camera: RGBA, ``STRIP`` images wide.

    Painted at 1.5 to 3 times the size and reduced, so that lines of bricks and tiles do not flicker.
    """
    settings = camera_of(camera, seed)
    fine = max(1.5, min(3.0, 192 / height))
    rows, columns = round(fine * height), round(fine * width * STRIP)
    x = ((np.arange(columns) + 0.5) / columns * 0.5 * STRIP)[None]
    y = ((np.arange(rows) + 0.5) / rows)[:, None]
    rng = np.random.default_rng([seed, 6, camera])
    foot = settings.horizon + 0.10  # where the wall meets the ground
    wall = WALLS[settings.scene](x, y - foot + 0.5, rng)
    floor = _ground(settings.scene, x, y, settings.horizon, rng)
    floor *= (1 - 0.35 * np.exp(-np.maximum(y - foot, 0) / 0.02))[..., None]  # the wall keeps light from its foot
    picture = np.where((y < foot)[..., None], wall, floor)
    picture *= settings.ambient * 0.4 + 0.68 + 0.06 * clouds(rng, (rows, columns), (3, 12))[..., None]
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    image = image.resize((width * STRIP, height), Image.Resampling.BOX)
    return image.filter(ImageFilter.GaussianBlur(0.004 * height)).convert("RGBA")


@lru_cache(maxsize=64)
def obstacle(kind: str, variant: int, seed: int, height: int, width: int) -> Image.Image:
    """Something that stands in front of people, as an RGBA layer of the size of the image, centred at the bottom."""
    fine = 2
    rows, columns = height * fine, width * fine
    rng = np.random.default_rng([seed, 7, variant])
    x = ((np.arange(columns) + 0.5) / columns * 0.5 - 0.25)[None]
    y = ((np.arange(rows) + 0.5) / rows)[:, None]
    shade = np.zeros((rows, columns))
    if kind == "pole":
        half, top = rng.uniform(0.014, 0.03), rng.choice([-1.0, 0.5])
        t = x / half
        alpha = (np.abs(t) < 1) & (y > top) & (y < 0.985)
        shade, colour = 0.25 - 0.5 * t**2 + 0 * y, rng.uniform(0.25, 0.6, 3)
    elif kind == "bush":
        lumps = 0.05 * clouds(rng, (rows, columns), (20, 10)) + 0.018 * clouds(rng, (rows, columns), (70, 35))
        alpha = np.hypot(x / 0.17, (y - 1.0) / rng.uniform(0.22, 0.38)) + lumps * 4 < 1
        shade = 0.35 * clouds(rng, (rows, columns), (90, 45)) - 0.3 * (y - 0.8)
        colour = np.array([0.20, 0.36, 0.14]) * rng.uniform(0.8, 1.3)
    else:  # a bin
        half = rng.uniform(0.06, 0.09)
        top = rng.uniform(0.70, 0.78)
        alpha = (np.abs(x) < half) & (y > top) & (y < 0.985)
        shade = 0.2 - 0.5 * (x / half) ** 2 - 0.4 * ((y - top) < 0.02) - 0.15 * ((y * 40) % 1 < 0.2)
        colour = rng.uniform(0.15, 0.5, 3)
    rgb = np.clip(colour * (1 + shade[..., None]), 0, 1)
    layer = np.dstack([rgb, np.broadcast_to(alpha, (rows, columns))])
    return Image.fromarray((layer * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BOX)


@lru_cache(maxsize=1)
def soft_spot() -> Image.Image:
    """A soft round spot, grey: stretched under the feet it is the shadow on the ground."""
    spot = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(spot).ellipse((14, 14, 49, 49), fill=200)
    return spot.filter(ImageFilter.GaussianBlur(7))
