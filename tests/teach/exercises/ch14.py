import re
from statistics import median

import numpy as np


def read_name(name, pattern=r"(-1|\d+)_c(\d+)"):
    return [int(text) for text in re.match(pattern, name).groups()]


def read_name_by_cutting(name):
    who, where = name.split("_")[:2]
    return int(who), int(where[1:].split("s")[0])


def findable(q_pids, q_cams, g_pids, g_cams):
    return [any((g_pids == p) & (g_cams != c)) for p, c in zip(q_pids, q_cams)]


def findable_at_once(q_pids, q_cams, g_pids, g_cams):
    return ((q_pids[:, None] == g_pids) & (q_cams[:, None] != g_cams)).any(1)


def near_camera(a, b, middle=np.median, measure=lambda sizes: sizes.prod(1)):
    return int(middle(measure(b)) > middle(measure(a)))


def mlr_roles(pids, cameras, wanted, lr_camera, strangers=2):
    here = [1 if camera == lr_camera[pid] else 2 for pid, camera in zip(pids, cameras)]
    return [role if pid in wanted else strangers for pid, role in zip(pids, here)]


def mlr_roles_at_once(pids, cameras, wanted, lr_camera):
    low = cameras == np.array([lr_camera[p] for p in pids])
    return np.where(low & np.isin(pids, list(wanted)), 1, 2)


def without_the_wanted(pids, cameras, wanted, lr_camera):
    return [1 if camera == lr_camera[pid] else 2 for pid, camera in zip(pids, cameras)]


def no_query_from_the_lr_camera(pids, cameras, wanted, lr_camera):
    roles = without_the_wanted(pids, cameras, wanted, lr_camera)
    return [0 if role == 1 and pid not in wanted else role for role, pid in zip(roles, pids)]


RIGHT = [
    ("read_name", read_name, read_name_by_cutting),
    ("findable", findable, findable_at_once),
    ("near_camera", near_camera, lambda a, b: median(h * w for h, w in b) > median(h * w for h, w in a)),
    ("mlr_roles", mlr_roles, mlr_roles_at_once),
]
WRONG = [
    ("read_name", lambda name: read_name(name, r"(-1|\d+)_c\ds(\d+)"), "that is the sequence"),
    ("read_name", lambda name: (int(name[:4]), int(name[6] + name[8])), "read as one"),
    ("read_name", lambda name: read_name(name)[::-1], "exchanged"),
    ("read_name", lambda name: read_name(name, r"(-1|\d+)_c\d+s\d+_(\d+)"), "frame number"),
    ("read_name", lambda name: [abs(n) for n in read_name(name)], "the minus sign is lost"),
    ("read_name", lambda name: read_name(name, r"(-1|\d+)_c(\d)"), "only one digit"),
    ("findable", lambda qp, qc, gp, gc: np.isin(qp, gp), "who alone"),
    ("findable", lambda qp, qc, gp, gc: findable(qp, -1 - qc, gp, gc), "who alone"),
    (
        "findable",
        lambda qp, qc, gp, gc: ((qp[:, None] == gp) & (qc[:, None] == gc)).any(1),
        "turned round: the picture",
    ),
    ("findable", lambda qp, qc, gp, gc: (qc[:, None] != gc).any(1), "but of anybody"),
    (
        "findable",
        lambda qp, qc, gp, gc: np.isin(qp, gp) & ~((qp[:, None] == gp) & (qc[:, None] == gc)).any(1),
        "does not spoil the others",
    ),
    ("findable", lambda qp, qc, gp, gc: ((qp[:, None] == gp) & (qc[:, None] != gc)).sum(1), "counts"),
    ("findable", lambda *a: ~findable_at_once(*a), "can NOT"),
    ("findable", lambda *a: np.mean(findable(*a)), "their share"),
    ("near_camera", lambda a, b: 0, "you always say the first"),
    ("near_camera", lambda a, b: 1, "you always say the second"),
    ("near_camera", lambda a, b: 1 - near_camera(a, b), "the far camera"),
    ("near_camera", lambda a, b: near_camera(a, b, np.mean), "take the median"),
    ("near_camera", lambda a, b: near_camera(a, b, np.max), "take the median"),
    ("near_camera", lambda a, b: near_camera(a, b, measure=lambda s: s[:, 0]), "heights"),
    ("near_camera", lambda a, b: near_camera(a, b, measure=lambda s: s[:, 1]), "widths"),
    ("mlr_roles", without_the_wanted, "distractors (0) became queries"),
    ("mlr_roles", no_query_from_the_lr_camera, "a distractor was left out"),
    ("mlr_roles", lambda *a: mlr_roles(*a, strangers=0), "all distractors were left out"),
    ("mlr_roles", lambda *a: [{1: 2}.get(r, 1) if p else 2 for r, p in zip(mlr_roles(*a), a[0])], "turned"),
    ("mlr_roles", lambda p, c, w, lr: mlr_roles(p, c, w, dict.fromkeys(lr, 1)), "one LR camera"),
    ("mlr_roles", lambda p, c, w, lr: mlr_roles(p, c, (), lr), "nothing is a query"),
]
