"""Where to compute, and how precisely."""

from __future__ import annotations

import torch


def choose_device(name: str = "auto") -> torch.device:
    """The device asked for; ``auto`` takes a CUDA GPU, else Apple's, else the CPU.

    Raises:
        ValueError: for a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"device {name!r} cannot be used here ({reason}). Use device cpu, or auto.") from None
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """``fp32`` or ``bf16``; ``auto`` takes bf16 where the hardware multiplies it natively, and fp32 elsewhere."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        cpu = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return "bf16" if cpu.get("avx512_bf16") or cpu.get("amx_bf16") or cpu.get("amx") else "fp32"
    return "fp32"
