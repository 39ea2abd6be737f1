"""What a method is: settings, one ``fit``, and a way back from its checkpoint."""

from __future__ import annotations

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
    """Where a fit keeps its files, and how it reports.

    Args:
        folder: for checkpoint and history; a fit that finds its own unfinished checkpoint there goes on from it.
            Without a folder nothing is written.
        callback: called with each logged record.
        bar: show a progress bar.
        ranks: the processes that train together; without it the settings say.
    """

    folder: Path | None = None
    callback: Callable[[Record], None] | None = None
    bar: bool = False
    ranks: DistributedContext | None = None
    _last: float = field(default_factory=time.process_time, init=False, repr=False)

    def log(self, record: Record) -> None:
        """Keep the CPU time since the last record beside the history, and call the callback.

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
            it leaves a ``checkpoint.pt`` that holds ``HEAD`` of ``cadnet_edu.training.checkpoints``, and resumes.
        load: ``load(checkpoint, config, device) -> Model``, from what ``fit`` has kept.
        settings: turns the settings of a preset into the method's own.
        sees: what training may see.
        needs: what it needs to know of an image besides its pixels: of ``rate``, ``cameras``, ``keypoints``.
        faithful: to what it was built.
        estimate: ``estimate(split, config) -> seconds`` that ``fit`` takes; None where there is nothing to train.
    """

    fit: Callable[..., Model]
    load: Callable[[dict[str, Any], Config, torch.device | str], Model]
    settings: Callable[[Config], Config]
    sees: Literal["HR", "HR+LR"] = "HR+LR"
    needs: frozenset[str] = frozenset()
    faithful: Literal["port", "from paper", "our reading"] = "our reading"
    estimate: Callable[..., float] | None = None

    @property
    def trained(self) -> bool:
        """Whether there is anything to train, step by step."""
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
