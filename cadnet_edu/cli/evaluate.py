"""``cadnet-edu evaluate``: the scores of a trained run, by down-sampling rate."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from cadnet_edu.cli.console import OtherData, read, say, show
from cadnet_edu.config import Config, data_named
from cadnet_edu.data import open_split
from cadnet_edu.data.manifest import read_manifest
from cadnet_edu.data.mlr_variants import construct
from cadnet_edu.data.samples import Split
from cadnet_edu.evaluation.evaluate import evaluate as scores_by_rate
from cadnet_edu.evaluation.image_quality import lpips
from cadnet_edu.evaluation.retrieval import unmatched_note
from cadnet_edu.io import READ_ONLY, write_json
from cadnet_edu.runs import load_run
from cadnet_edu.training.devices import choose_precision
from cadnet_edu.training.distributed import init_distributed


@dataclass
class Evaluate(OtherData):
    """Score a trained run: LR queries at each rate against an HR gallery."""

    folder: Annotated[Path, tyro.conf.Positional]  # The --out folder of a training run.
    rates: tuple[float, ...] | None = None
    """Down-sampling rates of the queries, each 1 or more; 1 2 3 4 8 when not given."""
    json: bool = False  # Print JSON instead of a table.
    lpips: bool = False  # Score LPIPS as well (fetches AlexNet's weights once).
    protocol: Literal["single_shot", "market1501"] = "single_shot"
    """Which CMC: one gallery image an identity (Sec. 4.3), or all of them."""
    mlr: str | None = None
    """Score its MLR version (Sec. 4.4) instead, each query at its own rate; by this construction, such as paper."""
    mlr_seed: int = 0  # Another seed draws other LR cameras and rates.
    manifest: Path | None = None
    """Score the split of this manifest instead, each query at its own rate; its images are below --root."""
    device: str = "auto"  # auto, cpu, cuda or mps.
    devices: int | Literal["auto"] = 1  # Number of devices that share the images; auto takes all GPUs.


def evaluate(arguments: Sequence[str]) -> None:
    """``cadnet-edu evaluate``"""
    options = read(Evaluate, arguments, "cadnet-edu evaluate")
    run = load_run(options.folder)
    config = data_settings(options, run.config)
    rates, ranks = rates_to_score(options), init_distributed(options.device, options.devices)
    if not (options.folder / "run.json").exists():
        done = run.history[-1]["step"] if run.history else 0
        say(
            f"{options.folder}: not trained to its end ({done} of {config.optim.steps} steps seen), scored as it is now"
        )
    split = split_to_score(options, config)
    scores = scores_by_rate(
        run.model.to(ranks.device),
        split,
        rates,
        config.data.size,
        options.protocol,
        device=ranks.device,
        precision=choose_precision(config.run.precision, ranks.device, instead=True),
        extra={"lpips": lpips} if options.lpips else {},
        bar=True,
        ranks=ranks,
    )
    if not ranks.is_rank_zero:
        return
    recovered = "bilinear up-sampling" if run.model.recover is None else "G"
    data = {"protocol": options.protocol, "dataset": config.data.dataset, "split": split.name}
    result = {"rates": scores, "provenance": {**run.provenance, **data, "recovered_by": recovered}}
    text = json.dumps(result, indent=2, allow_nan=False) if options.json else table(scores, recovered)
    write_and_show(options.folder / "evaluation.json", result, text)


def data_settings(options: Evaluate, config: Config) -> Config:
    """A run's settings, with those of the data that the command line gives instead."""
    if options.dataset not in (None, config.data.dataset):
        named = data_named({}, {"dataset": options.dataset})  # CADNET_EDU_ROOT, unless --root is given
        config = config.replace(dataset=options.dataset, root=named.get("root"))
    given = {name: getattr(options, name) for name in ("root", "data_seed", "bbox", "filename_pattern")}
    allowed = config.data.allow_withdrawn or options.allow_withdrawn
    return config.replace(allow_withdrawn=allowed, **{k: v for k, v in given.items() if v is not None})


def rates_to_score(options: Evaluate) -> tuple[float, ...] | Literal["own"]:
    """The rates of the command line; ``"own"`` where each image has its own."""
    if options.mlr is None and options.manifest is None:
        return (1, 2, 3, 4, 8) if options.rates is None else options.rates
    if options.rates is not None:
        given = "--mlr" if options.mlr is not None else "--manifest"
        raise ValueError(f"{given} gives each image a rate of its own: leave --rates out, or leave {given} out.")
    return "own"


def split_to_score(options: Evaluate, config: Config) -> Split:
    """The data to score on: a data set, its MLR version, or the images of a manifest."""
    if options.manifest is None:
        split = open_split(config, train=False)
        return split if options.mlr is None else construct(split, options.mlr, options.mlr_seed)
    if options.mlr is not None:
        raise ValueError("a manifest lists all rates itself: give --manifest or --mlr, not both.")
    if config.data.root is None:
        raise ValueError(f"{options.manifest}: give the folder of its images with --root FOLDER.")
    split = read_manifest(options.manifest, config.data.root, verify=True, allow_withdrawn=config.data.allow_withdrawn)
    return split.check(train=False)


def write_and_show(path: Path, result: dict[str, Any], text: str) -> None:
    """Write a result to a file, then print it; a failure to write does not keep it from being printed."""
    try:
        write_json(path, result)
    except OSError as error:
        show(text)
        if error.errno not in READ_ONLY:
            raise
        say(f"note: {path.parent} is read-only, so these scores are not kept there.")
    else:
        show(text)


def table(rates: dict[str, dict[str, Any]], recovered: str) -> str:
    """Scores by rate as a table to read."""
    names = ("rank1", "rank5", "rank10", "mAP", "psnr", "ssim", "lpips")
    columns = [name for name in names if any(name in row for row in rates.values())]

    def cell(name: str, value: float | None) -> str:
        return "       -" if value is None else f"{value:8.2f}" if name == "psnr" else f"{value:8.3f}"

    lines = ["  r  " + "".join(f"{name:>8}" for name in columns)]
    lines += [f"{r:>4} " + "".join(cell(name, row.get(name)) for name in columns) for r, row in rates.items()]
    lines += [f"image quality of: {recovered}", unmatched_note(rates)]
    return "\n".join(filter(None, lines))
