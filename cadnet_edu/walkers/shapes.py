"""Body parts: rounded shapes written into buffers (part, normal, texture position), far ones first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cadnet_edu.walkers import clothes as cloth
from cadnet_edu.walkers.people import Person
from cadnet_edu.walkers.pose import Pose

Joints = dict[str, np.ndarray]


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

    def _put(
        self,
        box: tuple[slice, slice],
        texture: int,
        turn: float,
        axes: tuple[float, float, float, float],
        inside: np.ndarray,
        side: np.ndarray,
        end: np.ndarray,
        down: np.ndarray,
    ) -> None:
        """Write one part where it is ``inside``, over what was there.

        Args:
            axes: the directions in the image, ``(x, y)`` each, in which ``side`` and ``end`` tilt the surface.
            side, end: the components of the surface normal along them.
            down: place on the texture, 0 at its top row and 1 at its bottom row.
        """
        self.textures.append(texture)
        self.turns.append(turn)
        self.axes.append(axes)
        np.copyto(self.open[box], np.float32(1), where=inside)
        np.copyto(self.part[box], np.uint8(len(self.textures) - 1), where=inside)
        np.copyto(self.side[box], side, where=inside)
        np.copyto(self.end[box], end, where=inside)
        np.copyto(self.down[box], down, where=inside)

    def limb(
        self,
        texture: int,
        turn: float,
        a: np.ndarray,
        b: np.ndarray,
        ra: float,
        rb: float,
        first: int | None = None,
        ball: float = 0.3,
    ) -> None:
        """A tapered capsule from ``a`` (radius ``ra``) to ``b`` (``rb``).

        Args:
            texture: the number of a texture in `cadnet_edu.walkers.clothes`.
            turn: the direction the person faces, in radians: it brings that side of the texture to the front.
            a, b: the two joints, ``(x, y, depth)`` in image heights.
            ra, rb: the radius at each, in image heights.
            first: the number of the first part of the same limb; what was drawn before it nearby gets less
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

    def shell(
        self, texture: int, turn: float, y: Sequence[float], centre: Sequence[float], half: Sequence[float]
    ) -> None:
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


class Figure:
    """One person on a canvas: which parts there are and how large. All sizes are in body heights times ``size``."""

    def __init__(self, canvas: Canvas, who: Person, joint: Joints, pose: Pose) -> None:
        self.canvas, self.who, self.joint, self.pose = canvas, who, joint, pose
        self.size = pose.scale * who.height**0.4
        self.turn = pose.facing
        self.front = np.cos(self.turn) >= 0  # the face is towards the viewer
        self.frontal, self.lateral = abs(np.cos(self.turn)), abs(np.sin(self.turn))
        self.loose = {"jacket": 1.10, "hoodie": 1.12, "coat": 1.12}.get(who.top, 1.0)

    def at(self, name: str, up: float = 0.0) -> np.ndarray:
        """Where a joint is, or a place ``up`` body heights above it."""
        return self.joint[name] - (0, up * self.size, 0)

    def girth(self, wide: float, deep: float) -> float:
        """Half the width of an oval body, as wide as it is from in front and as deep from the side."""
        return float(self.size * np.hypot(wide * self.frontal, deep * self.lateral))

    def limb(self, texture: int, a: np.ndarray, b: np.ndarray, ra: float, rb: float, **more: Any) -> None:
        self.canvas.limb(texture, self.turn, a, b, self.size * ra, self.size * rb, **more)

    def shell(self, texture: int, y: Sequence[float], x: Sequence[float], half: Sequence[tuple[float, float]]) -> None:
        self.canvas.shell(texture, self.turn, y, x, [self.girth(wide, deep) for wide, deep in half])

    def draw(self) -> None:
        """All parts in painter's order."""
        far, near = sorted(("left", "right"), key=lambda side: self.joint[f"{side}_elbow"][2])
        behind = self.joint[f"{far}_elbow"][2] < -0.05
        for side in sorted(("left", "right"), key=lambda side: self.joint[f"{side}_knee"][2]):
            self.leg(side)
        if self.front:
            self.backpack()
            self.mane()
        if behind:
            self.arm(far)
        self.limb(cloth.SKIN, self.at("chin"), self.at("neck"), 0.030, 0.034)
        self.torso()
        if not self.front:
            self.backpack()
        self.head()
        if not self.front:
            self.mane()
        if not behind:
            self.arm(far)
        self.arm(near)

    def leg(self, side: str) -> None:
        hip, knee, ankle = (self.at(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        b, first = self.who.build, len(self.canvas.textures)
        slim = 1.0 if self.who.bottom == "trousers" else 0.86
        flare = 1.12 if self.who.bottom == "shorts" else 1.0
        self.limb(cloth.SHOE, self.at(f"{side}_heel"), self.at(f"{side}_toe"), 0.024, 0.017)
        self.limb(cloth.SHIN, knee, ankle, 0.043 * b**0.6 * slim, 0.028 * b**0.4 * slim, first=first)
        self.limb(cloth.THIGH, hip, knee, 0.062 * b**0.7, 0.044 * b**0.6 * flare, first=first)

    def arm(self, side: str) -> None:
        shoulder, elbow, wrist = (self.at(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
        b, first = self.who.build**0.5, len(self.canvas.textures)
        slim = self.loose if self.who.top != "t-shirt" else 0.85
        self.limb(cloth.SKIN, wrist, self.at(f"{side}_hand"), 0.019, 0.017)
        self.limb(cloth.FOREARM, elbow, wrist, 0.029 * b * slim, 0.021 * slim, first=first)
        self.limb(cloth.UPPER_ARM, shoulder, elbow, 0.037 * b * self.loose, 0.030 * b * slim, first=first)
        if self.who.bag == "hand bag" and side == "left":
            self.bag("left_hand", 0.0)

    def bag(self, place: str, up: float) -> None:
        x = float(self.at(place)[0])
        y = [float(self.at(place, up - k)[1]) for k in (0.0, 0.01, 0.115, 0.13)]
        self.shell(cloth.BAG, y, [x] * 4, [(0.030, 0.060), (0.035, 0.075), (0.038, 0.083), (0.031, 0.068)])

    def backpack(self) -> None:
        if self.who.bag != "backpack":
            return
        y = [float(self.at("back", -k)[1]) for k in (-0.085, -0.075, -0.04, 0.10, 0.125, 0.135)]
        half = [(k * 0.092, k * 0.058) for k in (0.55, 0.75, 0.95, 1.0, 0.95, 0.8)]
        self.shell(cloth.BAG, y, [float(self.at("back")[0])] * 6, half)

    def torso(self) -> None:
        """Neck to hip, and what hangs below: the tail of a coat, or a skirt."""
        b, f = self.who.build, self.who.build**0.8 * self.loose
        rows = [("neck", 0.012), ("neck", -0.012), ("neck", -0.030), ("chest", 0.0), ("waist", 0.0), ("pelvis", 0.0),
                ("pelvis", -0.055)]  # fmt: skip
        points = [self.at(name, up) for name, up in rows]
        half = [(0.032, 0.032), (0.068 * f, 0.045 * f), (0.108 * f, 0.055 * f), (0.112 * f, 0.080 * f),
                (0.096 * f * b**0.3, 0.074 * f * b**0.5), (0.104 * f, 0.080 * f), (0.104 * f, 0.078 * f)]  # fmt: skip
        if self.who.top == "coat" or self.who.bottom == "skirt":
            self.skirt(f)
        self.shell(cloth.TORSO, [float(p[1]) for p in points], [float(p[0]) for p in points], half)
        if self.who.bag == "shoulder bag":
            self.bag("side", 0.01)
        if self.who.top == "hoodie":
            self.limb(cloth.HOOD, self.at("nape", -0.035), self.at("neck"), 0.045, 0.052)

    def skirt(self, f: float) -> None:
        drop, hem = (0.20, 0.126) if self.who.top == "coat" else (0.17, 0.135)
        spread = 1 + 0.25 * self.pose.swing * abs(np.sin(self.pose.phase)) * self.lateral  # wider in mid-stride
        y = [float(self.at("pelvis", up)[1]) for up in (0.02, -0.06, -drop)]
        half = [(0.100 * f, 0.076 * f), (0.112 * f, 0.086 * f), (hem * f, 0.105 * f * spread)]
        self.shell(cloth.SKIRT, y, [float(self.at("pelvis")[0])] * 3, half)

    def head(self) -> None:
        self.limb(cloth.HEAD, self.at("crown", -0.027), self.at("chin", 0.020), 0.048 + 0.006 * self.lateral, 0.034,
                  ball=1.0)  # fmt: skip
        hat = self.who.hat
        if hat == "none":
            return
        if hat == "cap" and not self.front:
            self.limb(cloth.BRIM, self.at("brow"), self.at("peak"), 0.020, 0.016)
        high, low = (-0.004, -0.030) if hat == "beanie" else (0.006, -0.018)
        self.limb(cloth.HAT, self.at("crown", high), self.at("crown", low), 0.047, 0.053 + 0.005 * self.lateral,
                  ball=1.0)  # fmt: skip
        if hat == "cap" and self.front:
            self.limb(cloth.BRIM, self.at("brow"), self.at("peak"), 0.030, 0.024)
        elif hat == "brim":
            edge, rim = np.array([0.075 * self.size, 0, 0]), self.at("crown", -0.040)
            self.limb(cloth.BRIM, rim - edge, rim + edge, 0.012, 0.012)

    def mane(self) -> None:
        """Hair that hangs free of the head."""
        match self.who.hair:
            case "long":
                self.limb(cloth.HAIR, self.at("nape", 0.01), self.at("tail", 0.01), 0.054, 0.047)
            case "bob":
                self.limb(cloth.HAIR, self.at("nape", 0.03), self.at("nape", -0.025), 0.053, 0.045)
            case "tail":
                self.limb(cloth.HAIR, self.at("bun", -0.05), self.at("tail"), 0.017, 0.011)
            case "bun":
                self.limb(cloth.HAIR, self.at("bun", 0.012), self.at("bun"), 0.025, 0.025)
