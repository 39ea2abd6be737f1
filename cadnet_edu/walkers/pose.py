"""Poses: a random pose of a pedestrian, and its skeleton as the camera sees it, in image heights."""

from dataclasses import dataclass

import numpy as np

from cadnet_edu.walkers.people import Person
from cadnet_edu.walkers.scenes import Camera

JOINTS = (
    "head_top", "nose", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


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
    unsharp: float
    hidden_by: str
    hidden_at: float
    variant: int
    folds: tuple[int, int]
    noise: tuple[int, int]


def pose_of(identity: int, camera: int, shot: int, seed: int, settings: Camera, who: Person) -> Pose:
    """Draw a pose from two random streams, one of the track and one of the frame."""
    track = np.random.default_rng([seed, 4, identity, camera])
    frame = np.random.default_rng([seed, 5, identity, camera, shot])
    turned = np.pi * (track.random() < 0.30)
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
        gain=float(1 + track.normal(0, 0.04) + frame.normal(0, 0.02)),
        unsharp=float(frame.uniform(0.003, 0.012) if frame.random() < 0.12 else 0.0),
        hidden_by=("none", "pole", "bush", "bin", "person")[int(frame.choice(5, p=[0.88, 0.03, 0.03, 0.03, 0.03]))],
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
    joints |= {
        "pelvis": (0, hip, 0), "waist": (0, 0.60, 0.09 * sway), "chest": (0, 0.74, 0.23 * sway),
        "neck": (0, 0.835, 0.32 * sway), "chin": (0, 0.880, head + 0.012), "head_top": (0, 0.985, head),
        "crown": (0, 0.960, head - 0.004), "brow": (0, 0.955, head + 0.02), "peak": (0, 0.945, head + 0.085),
        "nose": (0, 0.918, head + 0.055), "back": (0, 0.72, 0.2 * sway - 0.085), "nape": (0, 0.88, head - 0.03),
        "tail": (0, 0.76, head - 0.075), "bun": (0, 0.955, head - 0.065), "side": (0.125 * b, 0.50, -0.01),
    }  # fmt: skip
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
