"""Gradients in float32 and channels_last, as training computes them, against those of float64 in contiguous layout.

``python layer_gradients.py presets`` or ``... narrow`` prints, as JSON, how far each kind of gradient deviates at
most and in which layer; ``... presets bf16`` does so for the convolutions in bf16.
It runs in a process of its own (a wrong kernel may end it), with the number of threads that
``OMP_NUM_THREADS`` tells.
"""

import copy
import json
import sys

import torch
from torch import Tensor, nn

from cadnet_edu.config import Config, preset
from cadnet_edu.models.cadnet import CADNet
from cadnet_edu.training.trainer import build_network

IDENTITIES = 5
BATCH = dict(num_identities=2, num_instances=3)


def presets() -> dict[str, Config]:
    """Every preset with a small batch, and the paper's with small images as well: float64 takes its time."""
    configs = {name: preset(name, **BATCH) for name in ("smoke", "quick", "reduced")}
    return configs | {"full": preset("full", weights="none", height=64, width=32, **BATCH)}


def narrow() -> dict[str, Config]:
    """Every backbone with 1 to 8 channels, in the networks of the smallest preset and in those of the paper."""
    configs = {}
    for width in range(1, 9):
        widths = dict(
            backbone_width=width, decoder_width=width, discriminator_width=width, height=64, width=32, **BATCH
        )
        configs[f"slim, width {width}"] = preset("smoke", **widths)
        for backbone in ("resnet18", "resnet50"):
            configs[f"{backbone}, width {width}"] = preset("full", weights="none", backbone=backbone, **widths)
    return configs


def layers(net: CADNet, x: Tensor) -> list[tuple[str, nn.Module, Tensor]]:
    """Every layer, with the input that it gets; of equal layers with equal inputs one."""
    inputs: dict[tuple[object, ...], tuple[str, nn.Module, Tensor]] = {}
    names = {module: name for name, module in net.named_modules() if not list(module.children())}

    def keep(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        key = (str(module), args[0].shape, args[0].stride())
        inputs.setdefault(key, (names[module], module, args[0].detach().clone()))

    hooks = [module.register_forward_pre_hook(keep) for module in names]
    out = net(x)
    net.D_F(out.f)
    net.D_I(out.x_hat)
    for hook in hooks:
        hook.remove()
    return list(inputs.values())


def fill_free_memory_with_nan() -> None:
    """What reads beyond its input, or what nobody has written, finds NaN."""
    left = [torch.full((1 << k,), float("nan"), dtype=t) for k in range(4, 20) for t in (torch.float, torch.bfloat16)]
    del left


def backward(layer: nn.Module, x: Tensor, upstream: Tensor | None, bf16: bool) -> tuple[dict[str, Tensor], Tensor]:
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
    parameters = {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}
    return {"output": out.detach(), "input": x.grad, **parameters}, upstream


def deviations(net: CADNet, x: Tensor, bf16: bool) -> dict[str, float]:
    """The relative deviation of the output and of each gradient of every layer; infinite for what is not finite."""
    found = {}
    for name, layer, seen in layers(net, x):
        if bf16 and not isinstance(layer, nn.Conv2d):
            continue
        got, upstream = backward(layer, seen, None, bf16)
        exact = copy.deepcopy(layer).to(torch.float64, memory_format=torch.contiguous_format)
        expected, _ = backward(exact, seen.double().contiguous(), upstream, False)
        for kind, value in got.items():
            by = float((value.double() - expected[kind]).norm() / expected[kind].norm().clamp_min(1e-12))
            found[f"{name}: {kind}"] = by if value.isfinite().all() else float("inf")
    return found


def main(which: str, bf16: bool) -> None:
    worst = {}
    for network, config in {"presets": presets, "narrow": narrow}[which]().items():
        net = build_network(config, IDENTITIES)
        net.to(memory_format=torch.channels_last).train()
        torch.manual_seed(0)
        x = torch.rand(2 * config.data.batch_size, 3, config.data.height, config.data.width)
        found = deviations(net, x.contiguous(memory_format=torch.channels_last), bf16)
        worst[network] = (len(found), *max(found.items(), key=lambda item: item[1]))
    print(json.dumps(worst))


if __name__ == "__main__":
    main(sys.argv[1], "bf16" in sys.argv)
