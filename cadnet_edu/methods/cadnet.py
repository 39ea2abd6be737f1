"""CAD-Net itself (Li et al., 2019)."""

from __future__ import annotations

from dataclasses import replace

from cadnet_edu.config import Config


def cadnet(config: Config) -> Config:
    """All of Sec. 3: what the profile says, nothing taken away."""
    return replace(config, method="cadnet")
