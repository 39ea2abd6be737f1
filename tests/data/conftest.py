"""The tests of data share writers of every published layout: ``from fixtures import write_viper``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
