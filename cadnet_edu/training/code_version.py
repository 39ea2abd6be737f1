"""The version of the code: a hash of its source files."""

import hashlib
from functools import cache
from pathlib import Path

# The modules that determine a trained network; a change in any of them invalidates earlier runs.
TRAINING_CODE = (
    "config.py", "losses.py", "models", "walkers", "data", "training/objective.py", "training/trainer.py",
    "training/distributed.py", "training/start.py", "methods",
)  # fmt: skip


@cache
def code_version(modules: tuple[str, ...] | None = TRAINING_CODE) -> str:
    """A short hash of the package's source: of the given modules, or of all."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        if modules is not None and not any(name.is_relative_to(module) for module in modules):
            continue
        digest.update(name.as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
