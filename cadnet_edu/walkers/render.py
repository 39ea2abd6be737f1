"""Render one image of a pedestrian with NumPy and Pillow, in four steps.

1. **Pose**: a walking skeleton in 3-D, seen by the camera.
2. **Shape**: each body part writes part, surface normal and texture position of its pixels into buffers, far parts
   first ("deferred shading").
3. **Light**: one pass looks up the textures and adds folds and light.
4. **Camera**: down-sampling, background, blur, colours and noise.
"""

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from cadnet_edu.walkers import clothes as cloth
from cadnet_edu.walkers.people import person
from cadnet_edu.walkers.pose import JOINTS, Pose, pose_of, skeleton
from cadnet_edu.walkers.scenes import STRIP, Camera, camera_of, obstacle, soft_spot, street
from cadnet_edu.walkers.shapes import Canvas, Figure, Joints


class Keypoint(NamedTuple):
    """A joint in pixels (the centre of the top left pixel is 0, 0); ``visible`` if the person's pixel is there."""

    x: float
    y: float
    visible: bool


@dataclass(frozen=True)
class Drawing:
    """One image and its annotations."""

    image: np.ndarray  # ``(height, width, 3)`` uint8, RGB
    mask: np.ndarray  # ``(height, width)`` bool, True where the person is visible
    keypoints: dict[str, Keypoint]  # the joints of `JOINTS` by name
    attributes: dict[str, object]  # the fields of `Person`, then ``camera``, ``shot``, ``facing``, ``hidden_by``


@lru_cache(maxsize=1)
def _folds() -> np.ndarray:
    """Brightness of creased cloth, ``(128, 128)``, that repeats at its edges: slanted waves of unlike length."""
    y, x = np.mgrid[:128, :128] * (2 * np.pi / 128)
    rng, total = np.random.default_rng(11), np.zeros((128, 128))
    for _ in range(14):
        i, j = int(rng.integers(-5, 6)), int(rng.integers(2, 9))
        total += rng.normal() * np.sin(i * x + j * y + rng.uniform(0, 6.28) + 0.8 * np.sin(x + rng.uniform(0, 6)))
    return (total / np.abs(total).max()).astype(np.float32)


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """Sensor noise of deviation 1 in a ``(1024, 1024, 3)`` sheet, of which each image takes a piece."""
    return np.random.default_rng(12).normal(0, 1, (1024, 1024, 3)).astype(np.float32)


_ARCSINE = (np.arcsin(np.linspace(-1, 1, 513)) / (2 * np.pi)).astype(np.float32)


def light_up(canvas: Canvas, identity: int, seed: int, settings: Camera, pose: Pose) -> np.ndarray:
    """Step 3: RGBA ``(rows, columns, 4)`` uint8 of the person alone, with Lambertian shading."""
    coat = cloth.wardrobe(identity, seed)
    flat = np.flatnonzero(canvas.part)
    part = canvas.part.ravel()[flat]
    side, end = canvas.side.ravel()[flat], canvas.end.ravel()[flat]
    down, enclosed = canvas.down.ravel()[flat], canvas.open.ravel()[flat]
    texture = np.array(canvas.textures)
    axes = np.array(canvas.axes, np.float32)[part]
    nx, ny = side * axes[:, 0] + end * axes[:, 2], side * axes[:, 1] + end * axes[:, 3]
    offset = (0.5 - np.array(canvas.turns) / (2 * np.pi)).astype(np.float32) % 1
    u = _ARCSINE[(side * 256 + 256).astype(np.int32)] + offset[part] + 1
    u -= u.astype(np.int32)
    rows, columns = coat.rows[texture].astype(np.float32)[part], coat.columns[texture].astype(np.int32)[part]
    row = np.minimum(down * rows, rows - 1).astype(np.int32)
    colour = coat.texels[coat.start[texture].astype(np.int32)[part] + row * columns + (u * columns).astype(np.int32)]
    lx, ly, lz = (np.float32(v) for v in settings.light)
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
    shade = np.maximum(nx * lx + ny * ly + nz * lz, 0)
    i = (down * 60).astype(np.int32) + pose.folds[0] + 17 * part
    j = (u * 100).astype(np.int32) + pose.folds[1]
    crease = _folds()[i & 127, j & 127]
    shade = (np.float32(settings.ambient) + np.float32(1.15 * (1 - settings.ambient)) * shade) * enclosed
    shade *= 1 + np.float32(0.16) * coat.soft[texture][part] * crease
    out = np.zeros((canvas.part.size, 4), np.uint8)
    out[flat, :3] = np.minimum(colour * (shade * np.float32(255))[:, None], 255)
    out[flat, 3] = 255
    return out.reshape(*canvas.part.shape, 4)


def _figure(
    identity: int, seed: int, settings: Camera, pose: Pose, height: int, width: int, fine: int
) -> tuple[Image.Image, Joints]:
    """Steps 1 to 3: the person as an RGBA layer of the final size, and the joints."""
    who = person(identity, seed)
    joint = skeleton(who, pose, settings.elevation)
    canvas = Canvas(height * fine, width * fine)
    Figure(canvas, who, joint, pose).draw()
    layer = Image.fromarray(light_up(canvas, identity, seed, settings, pose))
    return (layer.reduce(fine) if fine > 1 else layer), joint


def _shadow(picture: Image.Image, joint: Joints, settings: Camera) -> None:
    """Darken the ground under the feet, stretched away from the light."""
    width, height = picture.size
    feet = [joint[f"{s}_{p}"] for s in ("left", "right") for p in ("toe", "heel")]
    x, y = np.mean([f[0] for f in feet]), max(f[1] for f in feet)
    x0, x1 = x - 0.14 - 0.12 * max(settings.light[0], 0), x + 0.14 + 0.12 * max(-settings.light[0], 0)
    box = (round(x0 * 2 * width), round((y - 0.050) * height), round(x1 * 2 * width), round((y + 0.045) * height))
    spot = soft_spot().resize((max(box[2] - box[0], 1), max(box[3] - box[1], 1)))
    picture.paste((18, 18, 24, 255), box[:2], spot)


def check_size(height: int, width: int) -> None:
    """Check the size of an image.

    Raises:
        ValueError: when a side is no whole number, under 16 x 8 pixels or over 4096.
    """
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in (height, width))
    if not whole or not (16 <= height <= 4096 and 8 <= width <= 4096):
        raise ValueError(
            f"height={height!r}, width={width!r}: a walker needs whole numbers of pixels, at least 16 x 8 and at most "
            "4096 a side, height first. Use for example height=128, width=64."
        )


def draw(
    identity: int,
    camera: int,
    shot: int,
    *,
    height: int = 256,
    width: int = 128,
    seed: int = 0,
    fine: int | None = None,
) -> Drawing:
    """Draw one image of one person by one camera. The same arguments always give the same bytes.

    Args:
        identity: ``>= 0``; ``identity // 4`` is the group of look-alikes.
        camera: ``>= 0``.
        shot: frame of that person by that camera, ``>= 0``.
        height, width: size in pixels. The scene does not depend on it; other ratios than 2:1 stretch the scene.
        seed: another seed gives another world: other people, cameras and streets.
        fine: factor of super-sampling; by default 2, or 3 for images under 80 rows.

    Raises:
        ValueError: for negative numbers or a size in which no person can be drawn.

    Choice:
        The crop is centred on the person with a jitter of about 2 %, as the boxes of a good detector are.
    """
    check_size(height, width)
    if min(identity, camera, shot, seed) < 0:
        raise ValueError(f"identity={identity}, camera={camera}, shot={shot}, seed={seed}: all must be 0 or more.")
    fine = fine or (2 if height >= 80 else 3)
    who, settings = person(identity, seed), camera_of(camera, seed)
    pose = pose_of(identity, camera, shot, seed, settings, who)
    layer, joint = _figure(identity, seed, settings, pose, height, width, fine)
    left = round(pose.strip * (STRIP - 1) * width)
    picture = street(camera, seed, height, width).crop((left, 0, left + width, height))
    _shadow(picture, joint, settings)
    picture.alpha_composite(layer)
    mask = np.asarray(layer)[..., 3] >= 128
    if pose.hidden_by != "none":
        front = _in_front(identity, camera, seed, settings, pose, height, width, fine)
        picture.alpha_composite(front)
        mask = mask & (np.asarray(front)[..., 3] < 128)
    image = _develop(picture, settings, pose)
    attributes = asdict(who) | {"camera": camera, "shot": shot, "facing": pose.facing, "hidden_by": pose.hidden_by}
    return Drawing(image, mask, _keypoints(joint, mask), attributes)


def _in_front(
    identity: int, camera: int, seed: int, settings: Camera, pose: Pose, height: int, width: int, fine: int
) -> Image.Image:
    """The occluding object or person, as an RGBA layer."""
    if pose.hidden_by == "person":
        other = identity + 4 * (1 + pose.variant)
        aside = float(np.sign(pose.hidden_at) * (0.08 + 6 * pose.hidden_at**2))
        passing = pose_of(other, camera, 1000 + pose.variant, seed, settings, person(other, seed))
        passing = replace(passing, x=0.25 + aside, y=pose.y + 0.05, scale=pose.scale * 1.06)
        return _figure(other, seed, settings, passing, height, width, fine)[0]
    layer = Image.new("RGBA", (width, height))
    layer.paste(obstacle(pose.hidden_by, pose.variant, seed, height, width), (round(pose.hidden_at * 2 * width), 0))
    return layer


def _develop(picture: Image.Image, settings: Camera, pose: Pose) -> np.ndarray:
    """Step 4: blur, colour cast, tone curve, noise."""
    image = picture.convert("RGB")
    blur = (settings.blur + pose.unsharp) * image.height  # lens, and a frame that is out of focus
    if blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    level = np.arange(256) / 255
    curves = [255 * np.clip(level * gain * pose.gain, 0, 1) ** settings.gamma for gain in settings.cast]
    image = image.point(np.concatenate(curves).round().astype(int).tolist())
    i, j = pose.noise
    rows, columns = (i + np.arange(image.height)) % 1024, (j + np.arange(image.width)) % 1024
    wraps = i + image.height > 1024 or j + image.width > 1024
    noise = _grain()[np.ix_(rows, columns)] if wraps else _grain()[i : i + image.height, j : j + image.width]
    return np.clip(np.asarray(image) + noise * np.float32(settings.noise) + 0.5, 0, 255).astype(np.uint8)


def _keypoints(joint: Joints, mask: np.ndarray) -> dict[str, Keypoint]:
    height, width = mask.shape
    points = {}
    for name in JOINTS:
        x, y = float(joint[name][0]) * 2 * width - 0.5, float(joint[name][1]) * height - 0.5
        i, j = round(x), round(y)
        points[name] = Keypoint(x, y, bool(0 <= i < width and 0 <= j < height and mask[j, i]))
    return points
