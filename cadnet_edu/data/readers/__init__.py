"""Data sets on disk: a folder in, a ``Split`` out. Nothing is copied, rewritten or fetched."""

from cadnet_edu.data.readers.caviar import caviar
from cadnet_edu.data.readers.cuhk03 import cuhk03
from cadnet_edu.data.readers.custom import custom
from cadnet_edu.data.readers.market1501 import dukemtmc_reid, market1501
from cadnet_edu.data.readers.viper import viper

__all__ = ["caviar", "cuhk03", "custom", "dukemtmc_reid", "market1501", "viper"]
