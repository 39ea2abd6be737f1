"""How Walkers are drawn: a skeleton in 3-D, rounded body parts, and light, with NumPy and Pillow alone.

Four steps, as a games engine takes them:

1. **Pose.** A walking skeleton in body heights, turned by the direction the person faces, seen from the camera.
2. **Shape.** Each body part writes, for the pixels it covers, not a colour but *what is there* (part, surface normal,
   place on its texture) into buffers, far parts first: "deferred shading".
3. **Light.** One pass over the covered pixels looks up the texture, adds folds and the light of the camera.
4. **Camera.** Averaged down from the super-sampled canvas, set before the street, then blur, colours and noise.

All geometry is in units of the image height, so the same person can be drawn at any size.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from cadnet_edu.data import walkers_cloth as cloth
from cadnet_edu.data.walkers_people import Person, person
from cadnet_edu.data.walkers_scenes import STRIP, Camera, camera_of, obstacle, soft_spot, street

JOINTS = (
    "head_top", "nose", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


class Keypoint(NamedTuple):
    """A joint in pixels (the centre of the top left pixel is 0, 0); ``visible`` when a person's pixel lies there."""

    x: float
    y: float
    visible: bool


@dataclass(frozen=True)
class Drawing:
    """One image and everything known about it.

    Args:
        image: ``(height, width, 3)`` uint8, RGB.
        mask: ``(height, width)`` bool, True where the person is seen (not where something hides them).
        keypoints: the joints of `JOINTS` by name.
        attributes: the fields of `Person` by name, then ``camera``, ``shot``, ``facing`` and ``hidden_by``.
    """

    image: np.ndarray
    mask: np.ndarray
    keypoints: dict[str, Keypoint]
    attributes: dict[str, object]


@dataclass(frozen=True)
class Pose:
    """Everything that differs between two images of one person by one camera. Angles in radians."""

    facing: float
    phase: float
    swing: float
    lean: float
    elbows: tuple[float, float]
    x: float
    y: float
    scale: float
    strip: float
    gain: float
    hidden_by: str
    hidden_at: float
    variant: int
    folds: tuple[int, int]
    noise: tuple[int, int]


def pose_of(identity: int, camera: int, shot: int, seed: int, settings: Camera, who: Person) -> Pose:
    """Draw the pose: what a whole track shares from one random stream, what one frame has from another."""
    track = np.random.default_rng([seed, 4, identity, camera])
    frame = np.random.default_rng([seed, 5, identity, camera, shot])
    turned = np.pi * (track.random() < 0.35)
    return Pose(
        facing=float(settings.facing + turned + track.normal(0, 0.30) + frame.normal(0, 0.15)),
        phase=float(frame.uniform(0, 2 * np.pi)),
        swing=float(who.stride * track.choice([0.10, 0.32, 0.38]) * frame.uniform(0.85, 1.15)),
        lean=float(0.05 + track.normal(0, 0.03) + frame.normal(0, 0.015)),
        elbows=(float(track.uniform(0.15, 1.1)), float(track.uniform(0.15, 1.1))),
        x=float(0.25 + frame.normal(0, 0.010)),
        y=float(0.955 + frame.normal(0, 0.010)),
        scale=float(settings.scale * (1 + frame.normal(0, 0.022))),
        strip=float(track.uniform(0.02, 0.90) + frame.uniform(0, 0.08)),
        gain=float(1 + track.normal(0, 0.06) + frame.normal(0, 0.03)),
        hidden_by=("none", "pole", "bush", "bin", "person")[int(frame.choice(5, p=[0.84, 0.04, 0.04, 0.04, 0.04]))],
        hidden_at=float(frame.choice([-1, 1]) * frame.uniform(0.05, 0.15)),
        variant=int(frame.integers(0, 5)),
        folds=(int(frame.integers(128)), int(frame.integers(128))),
        noise=(int(frame.integers(512)), int(frame.integers(512))),
    )


def skeleton(who: Person, pose: Pose, elevation: float) -> dict[str, np.ndarray]:
    """Joints as ``(x, y, depth)`` in image heights: x right, y down, depth towards the viewer.

    In the body's own frame X is the person's left, Y up and Z ahead; ``facing`` turns it about the vertical.
    """
    swing, bend, joints = pose.swing, 1.4 * pose.swing, {}
    hip, b = 0.515, who.build**0.5
    sway = np.sin(pose.lean)
    twist = 0.25 * swing * np.sin(pose.phase)
    for sign, name in ((1.0, "left"), (-1.0, "right")):
        thigh = sign * swing * np.sin(pose.phase) + 0.04
        knee_bend = bend * max(0.0, np.sin(pose.phase * 1.0 + sign * np.pi / 2 + 0.3)) + 0.06
        shin = thigh - knee_bend
        hx = sign * 0.050 * b
        kz, ky = 0.245 * np.sin(thigh), hip - 0.245 * np.cos(thigh)
        az, ay = kz + 0.235 * np.sin(shin), ky - 0.235 * np.cos(shin)
        joints[f"{name}_hip"] = (hx, hip, 0.0)
        joints[f"{name}_knee"] = (hx * 0.95, ky, kz)
        joints[f"{name}_ankle"] = (hx * 0.85, ay, az)
        joints[f"{name}_toe"] = (hx * 1.25, ay - 0.030 + 0.25 * np.sin(shin) * 0.1, az + 0.085)
        joints[f"{name}_heel"] = (hx * 0.85, ay - 0.022, az - 0.015)
        sx, sz = sign * 0.102 * who.build**0.7, -sign * np.sin(twist) * 0.1 + 0.30 * sway
        arm = -sign * 0.85 * swing * np.sin(pose.phase)
        fore = arm + pose.elbows[sign < 0] * (0.6 + 0.8 * swing)
        ex, ey, ez = sx + sign * 0.020, 0.783 - 0.160 * np.cos(arm), sz + 0.160 * np.sin(arm)
        joints[f"{name}_shoulder"] = (sx, 0.783, sz)
        joints[f"{name}_elbow"] = (ex, ey, ez)
        joints[f"{name}_wrist"] = (ex - sign * 0.012, ey - 0.150 * np.cos(fore), ez + 0.150 * np.sin(fore))
        joints[f"{name}_hand"] = (ex - sign * 0.012, ey - 0.185 * np.cos(fore), ez + 0.185 * np.sin(fore))
    head = 0.38 * sway
    joints |= {"pelvis": (0, hip, 0), "waist": (0, 0.60, 0.09 * sway), "chest": (0, 0.74, 0.23 * sway),
               "neck": (0, 0.835, 0.32 * sway), "chin": (0, 0.880, head + 0.012), "head_top": (0, 0.985, head),
               "crown": (0, 0.960, head - 0.004), "brow": (0, 0.955, head + 0.02), "peak": (0, 0.945, head + 0.085),
               "nose": (0, 0.918, head + 0.055), "back": (0, 0.72, 0.2 * sway - 0.085), "nape": (0, 0.88, head - 0.03),
               "tail": (0, 0.76, head - 0.075), "bun": (0, 0.955, head - 0.065), "side": (0.125 * b, 0.50, -0.01)}  # fmt: skip
    names = list(joints)
    body = np.array([joints[n] for n in names])
    ground = min(body[names.index(f"{s}_{p}"), 1] for s in ("left", "right") for p in ("toe", "heel")) - 0.012
    body[:, 1] -= ground  # the lower foot stands on the ground: the body bobs as it walks
    c, s = np.cos(pose.facing), np.sin(pose.facing)
    x, depth = body[:, 0] * c + body[:, 2] * s, body[:, 2] * c - body[:, 0] * s
    up = body[:, 1] * np.cos(elevation) - depth * np.sin(elevation)
    near = 1 + 0.35 * elevation * (body[:, 1] - 0.5)  # a camera above sees heads larger than feet
    size = pose.scale * who.height**0.4
    placed = np.stack([pose.x + size * x * near, pose.y - size * up, depth], 1)
    return dict(zip(names, placed))


class Canvas:
    """The buffers of step 2 at the super-sampled size: which part, its normal, where on its texture, how enclosed."""

    def __init__(self, rows: int, columns: int) -> None:
        self.x = ((np.arange(columns) + 0.5) / columns * 0.5).astype(np.float32)[None]
        self.y = ((np.arange(rows) + 0.5) / rows).astype(np.float32)[:, None]
        self.part = np.zeros((rows, columns), np.uint8)
        self.side, self.end, self.down, self.open = np.zeros((4, rows, columns), np.float32)
        self.textures, self.turns, self.axes = [0], [0.0], [(1.0, 0.0, 0.0, 1.0)]

    def _box(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice] | None:
        rows, columns = self.part.shape
        i0, i1 = max(int(x0 * 2 * columns), 0), min(int(x1 * 2 * columns) + 1, columns)
        j0, j1 = max(int(y0 * rows), 0), min(int(y1 * rows) + 1, rows)
        return (slice(j0, j1), slice(i0, i1)) if i0 < i1 and j0 < j1 else None

    def _put(self, box, texture, turn, axes, inside, side, end, down):  # type: ignore[no-untyped-def]
        self.textures.append(texture)
        self.turns.append(turn)
        self.axes.append(axes)
        np.copyto(self.open[box], np.float32(1), where=inside)
        np.copyto(self.part[box], np.uint8(len(self.textures) - 1), where=inside)
        np.copyto(self.side[box], side, where=inside)
        np.copyto(self.end[box], end, where=inside)
        np.copyto(self.down[box], down, where=inside)

    def limb(  # type: ignore[no-untyped-def]
        self, texture: int, turn: float, a, b, ra: float, rb: float, first: int | None = None, ball: float = 0.3
    ) -> None:
        """A tapered capsule from ``a`` (radius ``ra``) to ``b`` (``rb``).

        Args:
            first: the number of the first part of the same limb; what was drawn before it and lies close gets less
                light, which sets an arm off from the body it swings past. The next free number when not given.
            ball: how much its ends are rounded in the light: 1 for a head, little where two limbs meet in a joint.
        """
        ax, ay, bx, by = float(a[0]), float(a[1]), float(b[0]), float(b[1])
        box = self._box(min(ax - ra, bx - rb) - 0.006, max(ax + ra, bx + rb) + 0.006,
                        min(ay - ra, by - rb) - 0.006, max(ay + ra, by + rb) + 0.006)  # fmt: skip
        if box is None:
            return
        length = max(float(np.hypot(bx - ax, by - ay)), 1e-4)
        ux, uy = (bx - ax) / length, (by - ay) / length
        dx, dy = self.x[:, box[1]] - np.float32(ax), self.y[box[0]] - np.float32(ay)
        along = dx * np.float32(ux) + dy * np.float32(uy)
        held = np.clip(along, 0, np.float32(length))
        inverse = 1 / (held * np.float32((rb - ra) / length) + np.float32(ra))
        side = (dx * np.float32(uy) - dy * np.float32(ux)) * inverse
        end = (along - held) * inverse
        far = side * side + end * end
        down = (along + np.float32(ra)) * np.float32(1 / (length + ra + rb))
        near = (far < 1.5) & (self.part[box] < (first or len(self.textures)))
        np.copyto(self.open[box], np.float32(0.72), where=near)
        self._put(box, texture, turn, (uy, -ux, ball * ux, ball * uy), far < 1, side, end, down)

    def shell(self, texture: int, turn: float, y, centre, half) -> None:  # type: ignore[no-untyped-def]
        """A solid of rows: at height ``y[k]`` it reaches ``half[k]`` to both sides of ``centre[k]``."""
        reach = max(half)
        box = self._box(min(centre) - reach, max(centre) + reach, y[0], y[-1])
        if box is None:
            return
        rows = self.y[box[0]]
        middle = np.interp(rows, y, centre).astype(np.float32)
        wide = np.maximum(np.interp(rows, y, half), 1e-4).astype(np.float32)
        nx = (self.x[:, box[1]] - middle) / wide
        down = (rows - np.float32(y[0])) * np.float32(1 / (y[-1] - y[0]))
        slope = np.diff(wide, axis=0, append=wide[-1:]) * np.float32(-0.8 / (self.y[1, 0] - self.y[0, 0]))
        rise = np.clip(slope, -0.65, 0.65)  # where it widens downwards the surface faces up
        inside = (np.abs(nx) < 1) & (down >= 0) & (down <= 1)
        self._put(box, texture, turn, (1.0, 0.0, 0.0, 1.0), inside, nx, rise, down)


def dress(canvas: Canvas, who: Person, joint: dict[str, np.ndarray], pose: Pose) -> None:
    """Step 2 for one person: all body parts, far ones first."""
    s, b = pose.scale * who.height**0.4, who.build
    turn = pose.facing
    front = np.cos(turn) >= 0  # the face is towards the viewer
    c, n = abs(np.cos(turn)), abs(np.sin(turn))
    coat, loose = who.top == "coat", {"t-shirt": 1.0, "shirt": 1.0, "jacket": 1.10, "hoodie": 1.12, "coat": 1.12}[who.top]

    def girth(wide: float, deep: float) -> float:
        """Half the width of an oval body seen from the side it shows."""
        return float(s * np.hypot(wide * c, deep * n))

    def leg(side: str) -> None:
        hip, knee, ankle = joint[f"{side}_hip"], joint[f"{side}_knee"], joint[f"{side}_ankle"]
        wide, own = (1.0 if who.bottom == "trousers" else 0.86), len(canvas.textures)
        canvas.limb(cloth.SHOE, turn, joint[f"{side}_heel"], joint[f"{side}_toe"], s * 0.024, s * 0.017)
        canvas.limb(cloth.SHIN, turn, knee, ankle, s * 0.043 * b**0.6 * wide, s * 0.028 * b**0.4 * wide, own)
        flare = 1.12 if who.bottom == "shorts" else 1.0
        canvas.limb(cloth.THIGH, turn, hip, knee, s * 0.062 * b**0.7, s * 0.044 * b**0.6 * flare, own)

    def arm(side: str) -> None:
        shoulder, elbow, wrist = joint[f"{side}_shoulder"], joint[f"{side}_elbow"], joint[f"{side}_wrist"]
        slim, own = (loose if who.top != "t-shirt" else 0.85), len(canvas.textures)
        canvas.limb(cloth.SKIN, turn, wrist, joint[f"{side}_hand"], s * 0.019, s * 0.017)
        canvas.limb(cloth.FOREARM, turn, elbow, wrist, s * 0.029 * b**0.5 * slim, s * 0.021 * slim, own)
        canvas.limb(cloth.UPPER_ARM, turn, shoulder, elbow, s * 0.037 * b**0.5 * loose, s * 0.030 * b**0.5 * slim, own)
        if who.bag == "hand bag" and side == "left":
            x, y = joint["left_hand"][:2]
            canvas.shell(cloth.BAG, turn, [y, y + 0.01 * s, y + 0.12 * s, y + 0.13 * s], [x] * 4,
                         [girth(0.03, 0.06), girth(0.035, 0.075), girth(0.04, 0.085), girth(0.032, 0.07)])  # fmt: skip

    def torso() -> None:
        p, w, ch, nk = (joint[k] for k in ("pelvis", "waist", "chest", "neck"))
        ys = [nk[1] - 0.012 * s, nk[1] + 0.012 * s, nk[1] + 0.030 * s, ch[1], w[1], p[1], p[1] + 0.055 * s]
        xs = [nk[0], nk[0], nk[0], ch[0], w[0], p[0], p[0]]
        f = b**0.8 * loose
        half = [girth(0.032, 0.032), girth(0.068 * f, 0.045 * f), girth(0.108 * f, 0.055 * f), girth(0.112 * f, 0.080 * f),
                girth(0.096 * f * b**0.3, 0.074 * f * b**0.5), girth(0.104 * f, 0.080 * f), girth(0.104 * f, 0.078 * f)]  # fmt: skip
        if coat or who.bottom == "skirt":
            drop, hem = (0.20, 0.126) if coat else (0.17, 0.135)
            top = p[1] - 0.02 * s
            spread = 1 + 0.25 * pose.swing * abs(np.sin(pose.phase)) * n
            canvas.shell(cloth.SKIRT, turn, [top, p[1] + 0.06 * s, p[1] + drop * s], [p[0]] * 3,
                         [girth(0.100 * f, 0.076 * f), girth(0.112 * f, 0.086 * f), girth(hem * f, 0.105 * f * spread)])  # fmt: skip
        canvas.shell(cloth.TORSO, turn, ys, xs, half)
        if who.bag == "shoulder bag":
            x, y = joint["side"][:2]
            canvas.shell(cloth.BAG, turn, [y - 0.01 * s, y, y + 0.10 * s, y + 0.115 * s], [x] * 4,
                         [girth(0.03, 0.06), girth(0.035, 0.075), girth(0.035, 0.08), girth(0.03, 0.065)])  # fmt: skip

    def backpack() -> None:
        x, y = joint["back"][:2]
        ys = [y - 0.085 * s, y - 0.075 * s, y - 0.04 * s, y + 0.10 * s, y + 0.125 * s, y + 0.135 * s]
        half = [girth(k * 0.092, k * 0.058) for k in (0.55, 0.75, 0.95, 1.0, 0.95, 0.8)]
        canvas.shell(cloth.BAG, turn, ys, [x] * 6, half)

    def head() -> None:
        canvas.limb(cloth.HEAD, turn, joint["crown"] + (0, s * 0.027, 0), joint["chin"] - (0, s * 0.020, 0),
                    s * (0.048 + 0.006 * n), s * 0.034, ball=1.0)  # fmt: skip
        if who.hat in ("cap", "beanie", "brim"):
            low = joint["crown"] + (0, s * (0.030 if who.hat == "beanie" else 0.018), 0)
            if who.hat == "cap" and not front:
                canvas.limb(cloth.BRIM, turn, joint["brow"], joint["peak"], s * 0.020, s * 0.016)
            canvas.limb(cloth.HAT, turn, joint["crown"] - (0, s * (0.006 if who.hat != "beanie" else -0.004), 0), low,
                        s * 0.047, s * (0.053 + 0.005 * n), ball=1.0)  # fmt: skip
            if who.hat == "cap" and front:
                canvas.limb(cloth.BRIM, turn, joint["brow"], joint["peak"], s * 0.030, s * 0.024)
            if who.hat == "brim":
                edge = np.array([s * 0.075, 0, 0])
                rim = joint["crown"] + (0, s * 0.040, 0)
                canvas.limb(cloth.BRIM, turn, rim - edge, rim + edge, s * 0.012, s * 0.012)

    def mane() -> None:
        r = s * 0.045
        if who.hair == "long":
            canvas.limb(cloth.HAIR, turn, joint["nape"] - (0, 0.01 * s, 0), joint["tail"] - (0, 0.01 * s, 0), r * 1.2, r * 1.05)
        elif who.hair == "bob":
            canvas.limb(cloth.HAIR, turn, joint["nape"] - (0, 0.03 * s, 0), joint["nape"] + (0, 0.025 * s, 0), r * 1.18, r)
        elif who.hair == "tail":
            canvas.limb(cloth.HAIR, turn, joint["bun"] + (0, 0.02 * s, 0), joint["tail"], r * 0.42, r * 0.26)
        elif who.hair == "bun":
            canvas.limb(cloth.HAIR, turn, joint["bun"] - (0, 0.012 * s, 0), joint["bun"], r * 0.55, r * 0.55)

    depth = {k: joint[f"{k}_elbow"][2] for k in ("left", "right")}
    far, near = sorted(depth, key=lambda k: depth[k])
    for side in sorted(("left", "right"), key=lambda k: joint[f"{k}_knee"][2]):
        leg(side)
    if who.bag == "backpack" and front:
        backpack()
    if front and who.hair != "bald":
        mane()
    if depth[far] < -0.05:
        arm(far)
    canvas.limb(cloth.SKIN, turn, joint["chin"], joint["neck"], s * 0.030, s * 0.034)
    torso()
    if who.top == "hoodie":
        canvas.limb(cloth.HOOD, turn, joint["nape"] + (0, 0.035 * s, 0), joint["neck"], s * 0.045, s * 0.052)
    if not front and who.bag == "backpack":
        backpack()
    head()
    if not front and who.hair != "bald":
        mane()
    if depth[far] >= -0.05:
        arm(far)
    arm(near)


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
    """Step 3: RGBA ``(rows, columns, 4)`` uint8 of the person alone.

    Surface angle from the side-ways normal, texture colour from that, then Lambert's law: light falls on a surface
    in proportion to the cosine between its normal and the direction of the lamp.
    """
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
    crease = _folds()[((down * 60).astype(np.int32) + pose.folds[0] + 17 * part) & 127, ((u * 100).astype(np.int32) + pose.folds[1]) & 127]
    shade = (np.float32(settings.ambient) + np.float32(1.15 * (1 - settings.ambient)) * shade) * enclosed
    shade *= 1 + np.float32(0.16) * coat.soft[texture][part] * crease
    out = np.zeros((canvas.part.size, 4), np.uint8)
    out[flat, :3] = np.minimum(colour * (shade * np.float32(255))[:, None], 255)
    out[flat, 3] = 255
    return out.reshape(*canvas.part.shape, 4)


def _figure(identity: int, seed: int, settings: Camera, pose: Pose, height: int, width: int, fine: int):  # type: ignore[no-untyped-def]
    """Steps 1 to 3: the person as an RGBA layer of the final size, and the joints."""
    who = person(identity, seed)
    joint = skeleton(who, pose, settings.elevation)
    canvas = Canvas(height * fine, width * fine)
    dress(canvas, who, joint, pose)
    layer = Image.fromarray(light_up(canvas, identity, seed, settings, pose))
    return (layer.reduce(fine) if fine > 1 else layer), joint


def _shadow(picture: Image.Image, joint: dict[str, np.ndarray], settings: Camera) -> None:
    """Darken the ground under the feet, stretched away from the light."""
    width, height = picture.size
    feet = [joint[f"{s}_{p}"] for s in ("left", "right") for p in ("toe", "heel")]
    x, y = np.mean([f[0] for f in feet]), max(f[1] for f in feet)
    x0, x1 = x - 0.14 - 0.12 * max(settings.light[0], 0), x + 0.14 + 0.12 * max(-settings.light[0], 0)
    box = (round(x0 * 2 * width), round((y - 0.050) * height), round(x1 * 2 * width), round((y + 0.045) * height))
    spot = soft_spot().resize((max(box[2] - box[0], 1), max(box[3] - box[1], 1)))
    picture.paste((18, 18, 24, 255), box[:2], spot)


def check_size(height: int, width: int) -> None:
    """Refuse a size in which no person can be drawn.

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
    identity: int, camera: int, shot: int, *, height: int = 256, width: int = 128, seed: int = 0, fine: int | None = None
) -> Drawing:
    """Draw one image of one person by one camera. The same arguments give the same bytes, always.

    Args:
        identity: who, ``>= 0``; ``identity // 4`` is the group of look-alikes.
        camera: by which camera, ``>= 0``.
        shot: which frame of that person by that camera, ``>= 0``.
        height, width: size in pixels. The scene does not depend on it; other ratios than 2:1 stretch the scene.
        seed: another seed gives another world: other people, cameras and streets.
        fine: drawn this many times larger and averaged down; 2 or, for images under 80 rows, 3 when not given.

    Raises:
        ValueError: for negative numbers or a size in which no person can be drawn.

    Choice: the crop is centred on the person with a jitter of about 2 %, as the boxes of a good detector are.
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


def _in_front(  # type: ignore[no-untyped-def]
    identity: int, camera: int, seed: int, settings: Camera, pose: Pose, height: int, width: int, fine: int
) -> Image.Image:
    """What hides a part of the person, as an RGBA layer."""
    if pose.hidden_by == "person":
        other = identity + 4 * (1 + pose.variant)
        passing = pose_of(other, camera, 1000 + pose.variant, seed, settings, person(other, seed))
        passing = Pose(**{**passing.__dict__, "x": 0.25 + np.sign(pose.hidden_at) * (0.08 + pose.hidden_at**2 * 6), "y": pose.y + 0.05, "scale": pose.scale * 1.06})
        return _figure(other, seed, settings, passing, height, width, fine)[0]
    layer = Image.new("RGBA", (width, height))
    layer.paste(obstacle(pose.hidden_by, pose.variant, seed, height, width), (round(pose.hidden_at * 2 * width), 0))
    return layer


def _develop(picture: Image.Image, settings: Camera, pose: Pose) -> np.ndarray:
    """Step 4: blur, colour cast, tone curve, noise."""
    image = picture.convert("RGB")
    if settings.blur * image.height > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(settings.blur * image.height))
    level = np.arange(256) / 255
    curves = [255 * np.clip(level * gain * pose.gain, 0, 1) ** settings.gamma for gain in settings.cast]
    image = image.point(np.concatenate(curves).round().astype(int).tolist())
    i, j = pose.noise
    grain = _grain()
    if image.height <= 512 and image.width <= 512:
        noise = grain[i : i + image.height, j : j + image.width]
    else:
        noise = np.take(np.take(grain, range(i, i + image.height), 0, mode="wrap"), range(j, j + image.width), 1, mode="wrap")
    return np.clip(np.asarray(image) + noise * np.float32(settings.noise) + 0.5, 0, 255).astype(np.uint8)


def _keypoints(joint: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Keypoint]:
    height, width = mask.shape
    points = {}
    for name in JOINTS:
        x, y = float(joint[name][0]) * 2 * width - 0.5, float(joint[name][1]) * height - 0.5
        i, j = round(x), round(y)
        points[name] = Keypoint(x, y, bool(0 <= i < width and 0 <= j < height and mask[j, i]))
    return points
