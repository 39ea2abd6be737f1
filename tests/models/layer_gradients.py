"""Gradients in float32 and channels_last, as training computes them, against those of float64 in contiguous layout.

``python layer_gradients.py presets`` or ``... narrow`` prints, as JSON, how far each kind of gradient deviates at
most and in which layer; ``... presets bf16`` does so for the convolutions in bf16.
It runs in a process of its own (a wrong kernel may end it), with the number of threads that
``OMP_NUM_THREADS`` tells.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cadnet_edu.config import Config, preset
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.trainer import build_network

IDENTITIES = 5


def presets() -> dict[str, Config]:
    """Every preset with a small batch, and the paper's with small images as well: float64 takes its time."""
    batch = dict(num_identities=2, num_instances=3)
    configs = {name: preset(name, **batch) for name in ("smoke", "quick", "reduced")}
    return configs | {"full": preset("full", weights="none", height=64, width=32, **batch)}


def narrow() -> dict[str, Config]:
    """Every backbone with 1 to 8 channels, in the networks of the smallest preset and in those of the paper."""
    configs = {}
    for width in range(1, 9):
        widths = dict(backbone_width=width, decoder_width=width, discriminator_width=width)
        batch = dict(height=64, width=32, num_identities=2, num_instances=3)
        configs[f"slim, width {width}"] = preset("smoke", **batch, **widths)
        for backbone in ("resnet18", "resnet50"):
            configs[f"{backbone}, width {width}"] = preset("full", weights="none", backbone=backbone, **batch, **widths)
    return configs


def outputs(net: CADNet, x: Tensor) -> Tensor:
    """One number that every parameter of the network has a part in."""
    out = net(x)
    assert out.x_hat is not None
    assert net.D_F is not None
    assert net.D_I is not None
    made = (out.f, out.x_hat, out.v, out.logits, *out.branch_logits, net.D_F(out.f), net.D_I(out.x_hat))
    total = out.f.new_zeros(())
    for i, t in enumerate(made):
        weights = torch.randn(t.shape, generator=torch.Generator().manual_seed(i), dtype=torch.float64)
        total = total + (t * weights.to(t.dtype)).sum() / t.numel() ** 0.5
    return total


def deviation(value: Tensor, expected: Tensor) -> float:
    """Relative deviation by norms; infinite for what is not finite."""
    if not value.isfinite().all():
        return float("inf")
    return float((value.double() - expected).norm() / expected.norm().clamp_min(1e-12))


def seen(net: CADNet, x: Tensor) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Every layer, with the input that it gets; of equal layers with equal inputs one."""
    inputs: dict[tuple[object, ...], tuple[str, nn.Module, Tensor]] = {}

    def keep(name: str) -> object:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            key = (str(module), args[0].shape, args[0].stride())
            inputs.setdefault(key, (name, module, args[0].detach().clone()))

        return hook

    layers = ((name, m) for name, m in net.named_modules() if not list(m.children()))
    hooks = [m.register_forward_pre_hook(keep(name)) for name, m in layers]
    outputs(net, x)
    for hook in hooks:
        hook.remove()
    yield from inputs.values()


def fill_free_memory_with_nan() -> None:
    """What reads beyond its input, or what nobody has written, finds NaN."""
    left = [torch.full((1 << k,), float("nan"), dtype=t) for k in range(4, 20) for t in (torch.float, torch.bfloat16)]
    del left


def backward(
    layer: nn.Module, x: Tensor, upstream: Tensor | None, bf16: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """The output and the gradients of a layer, and the gradient from above that gave them."""
    layer.zero_grad(set_to_none=True)
    x = x.clone().requires_grad_()
    fill_free_memory_with_nan()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        out = layer(x.clone())  # some layers work in place
    if upstream is None:
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)).to(out)
    memory_format = torch.channels_last if out.dim() == 4 and out.dtype != torch.float64 else torch.contiguous_format
    fill_free_memory_with_nan()
    out.backward(upstream.to(out.dtype).contiguous(memory_format=memory_format))
    assert x.grad is not None
    parameters = {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}
    return {"output": out.detach(), "input": x.grad, **parameters}, upstream


def of_layers(net: CADNet, x: Tensor, bf16: bool) -> dict[str, float]:
    """The deviation of the output and of each gradient of every layer, each layer by itself."""
    found = {}
    for name, layer, seen_x in seen(net, x):
        if bf16 and not isinstance(layer, nn.Conv2d):
            continue
        got, upstream = backward(layer, seen_x, None, bf16)
        exact = copy.deepcopy(layer).to(torch.float64, memory_format=torch.contiguous_format)
        expected, _ = backward(exact, seen_x.double().contiguous(), upstream)
        for kind, value in got.items():
            found[f"{name}: {kind}"] = deviation(value, expected[kind])
    return found


def main(which: str, bf16: bool) -> None:
    """Print the largest deviation of each network, and where it is."""
    worst = {}
    for network, config in {"presets": presets, "narrow": narrow}[which]().items():
        net = build_network(config, IDENTITIES)
        net.to(memory_format=torch.channels_last).train()
        torch.manual_seed(0)
        x = torch.rand(2 * config.data.batch_size, 3, config.data.height, config.data.width)
        x = x.contiguous(memory_format=torch.channels_last)
        deviations = of_layers(net, x, bf16)
        worst[network] = (len(deviations), *max(deviations.items(), key=lambda item: item[1]))
    print(json.dumps(worst))


if __name__ == "__main__":
    main(sys.argv[1], "bf16" in sys.argv)
