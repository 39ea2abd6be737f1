"""The version of the code: a hash of its source files."""

import hashlib
from functools import cache
from pathlib import Path

# The files that determine a trained network; a change in any of them invalidates earlier runs.
TRAINING_CODE = (
    "config.py", "losses.py", "models", "walkers", "data", "training/objective.py", "training/trainer.py",
    "training/distributed.py", "training/start.py", "methods", "weights/walkers.safetensors",
)  # fmt: skip


@cache
def code_version(modules: tuple[str, ...] | None = TRAINING_CODE) -> str:
    """A short hash of the package's source: of the given modules, or of all."""
    package = Path(__file__).parents[1]
    files = (
        sorted(package.rglob("*.py"))
        if modules is None
        else sorted(
            f
            for module in modules
            for f in ((package / module).rglob("*.py") if (package / module).is_dir() else [package / module])
            if f.is_file()
        )
    )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
