"""The interface of a method: settings, ``fit``, and ``load`` from its checkpoint."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from cadnet_edu.config import Config
from cadnet_edu.evaluation.model import Model
from cadnet_edu.io import append_line
from cadnet_edu.training.checkpoints import Record
from cadnet_edu.training.distributed import DistributedContext

CPU_LOG = "cpu.jsonl"


@dataclass
class Progress:
    """Where a fit writes its files, and how it reports progress.

    Args:
        folder: for checkpoint and history; a fit resumes from an unfinished checkpoint there. None writes nothing.
        callback: called with each logged record.
        bar: show a progress bar.
        ranks: the process group; by default that of the settings.
    """

    folder: Path | None = None
    callback: Callable[[Record], None] | None = None
    bar: bool = False
    ranks: DistributedContext | None = None
    _last: float = field(default_factory=time.process_time, init=False, repr=False)

    def log(self, record: Record) -> None:
        """Append the CPU time since the last record to ``cpu.jsonl``, and call the callback.

        Args:
            record: with its ``step``.
        """
        now = time.process_time()
        if self.folder is not None and (self.ranks is None or self.ranks.is_rank_zero):
            append_line(self.folder / CPU_LOG, json.dumps({"step": record["step"], "cpu": round(now - self._last, 4)}))
        self._last = now
        if self.callback is not None:
            self.callback(record)


@dataclass(frozen=True)
class Method:
    """A method that the tables can compare.

    Args:
        fit: ``fit(split, config, progress=None) -> Model``. Only ``split.train`` is read. With ``progress.folder``
            it writes a ``checkpoint.pt`` with the keys ``HEAD`` of ``cadnet_edu.training.checkpoints``, and resumes.
        load: ``load(checkpoint, config, device) -> Model``, from the checkpoint of ``fit``.
        settings: turns the settings of a preset into the method's own.
        sees: the resolutions of its training images.
        faithful: its relation to the published method.
        estimate: ``estimate(split, config) -> seconds`` that ``fit`` takes; None without training.
    """

    fit: Callable[..., Model]
    load: Callable[[dict[str, Any], Config, torch.device | str], Model]
    settings: Callable[[Config], Config]
    sees: Literal["HR", "HR+LR"] = "HR+LR"
    faithful: Literal["port", "from paper", "our reading"] = "our reading"
    estimate: Callable[..., float] | None = None

    @property
    def trained(self) -> bool:
        """Whether the method is trained in steps."""
        return self.estimate is not None


def cpu_seconds(folder: Path) -> float | None:
    """CPU time of a fit, from ``cpu.jsonl``; None when it was not recorded.

    A run that was killed repeats the steps after its last checkpoint; each logged step counts once.
    """
    path = folder / CPU_LOG
    if not path.exists():
        return None
    spent: dict[int, float] = {}
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # cut short by a kill
            continue
        spent[entry["step"]] = entry["cpu"]
    return round(math.fsum(spent.values()), 1)
