"""CAD-Net (Li et al., ICCV 2019) rebuilt from nothing: a teaching package for cross-resolution re-identification."""

from cadnet_edu.config import PRESETS, Config, cache_dir, preset
from cadnet_edu.data import load_split
from cadnet_edu.data.resolution import degrade, mlr
from cadnet_edu.data.samples import Sample, Split, load_images
from cadnet_edu.evaluation.evaluate import embed, evaluate
from cadnet_edu.evaluation.model import Model
from cadnet_edu.methods import METHODS, method
from cadnet_edu.models.cadnet import CADNet, Output
from cadnet_edu.runs import Run, load_run, train_or_load
from cadnet_edu.training.trainer import Trainer

__version__ = "0.2.0"
__all__ = [
    "METHODS",
    "PRESETS",
    "CADNet",
    "Config",
    "Model",
    "Output",
    "Run",
    "Sample",
    "Split",
    "Trainer",
    "cache_dir",
    "degrade",
    "embed",
    "evaluate",
    "load_images",
    "load_run",
    "load_split",
    "method",
    "mlr",
    "preset",
    "train_or_load",
]
