"""Which code made a number: a hash of the source that it depends on."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

# The rooms whose code decides what a trained network is; a change in any of them makes earlier runs unfit.
TRAINING_CODE = (
    "config.py", "losses.py", "models", "walkers", "data", "training/objective.py", "training/trainer.py",
    "training/distributed.py", "training/start.py", "methods",
)  # fmt: skip


@cache
def code_version(rooms: tuple[str, ...] | None = TRAINING_CODE) -> str:
    """A short hash of the package's source: of the rooms named, or of everything."""
    package = Path(__file__).parents[1]
    files = (
        sorted(package.rglob("*.py"))
        if rooms is None
        else sorted(
            f for room in rooms for f in ([package / room] if room.endswith(".py") else (package / room).rglob("*.py"))
        )
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
