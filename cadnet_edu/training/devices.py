"""Device and numerical precision."""

import torch


def check_torch_settings() -> None:
    """Refuse global settings of PyTorch under which training would go wrong."""
    if torch.get_default_dtype() != torch.float32:
        raise ValueError(
            f"torch's default dtype is {torch.get_default_dtype()}: the networks compute in float32. Set it back with "
            "torch.set_default_dtype(torch.float32)."
        )
    if torch.is_inference_mode_enabled():
        raise ValueError("in torch.inference_mode() training learns nothing: leave that block first.")
    if not torch.is_grad_enabled():
        raise ValueError(
            "gradients are switched off: leave the torch.no_grad() block, or call torch.set_grad_enabled(True)."
        )


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; ``auto`` takes a CUDA GPU, else Apple's, else the CPU.

    Raises:
        ValueError: for a device that is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"device {name!r} cannot be used here ({reason}). Use device cpu, or auto.") from None
    return torch.device(name)


def choose_precision(name: str, device: torch.device, instead: bool = False) -> str:
    """``fp32``, ``bf16`` or ``fp16``; ``auto`` takes bf16 where the hardware multiplies it natively, else fp32.

    Args:
        name: the precision, or ``auto``.
        device: that computes.
        instead: fall back to ``auto`` instead of refusing, for a network trained on another machine.

    Raises:
        ValueError: for a precision that the device does not support. bf16 on a CPU without it is slow, but accepted.
    """
    lacking = _lacking(name, device)
    if lacking and not instead:
        raise ValueError(f"precision {name!r} {lacking}. Use precision auto, which takes what suits the device.")
    if name != "auto" and not lacking:
        return name
    return "bf16" if native_bf16(device) else "fp32"


def native_bf16(device: torch.device) -> bool:
    """Whether the hardware supports bf16 natively; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        cpu = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16") or cpu.get("amx"))
    return False


def _lacking(name: str, device: torch.device) -> str | None:
    if name == "fp16" and device.type != "cuda":
        return f"(16-mixed) needs a CUDA GPU, and this is {device.type}"
    if name == "bf16" and device.type == "cuda" and not native_bf16(device):
        return "(bf16-mixed) is only emulated by this GPU, slower than fp32; fp16 (16-mixed) is what it is fast in"
    return None


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision as chosen by ``choose_precision``; in fp32 it has no effect."""
    low = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, low, enabled=precision != "fp32")
