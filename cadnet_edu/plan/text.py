"""A plan as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadnet_edu.plan.gpus import GIB, TERA

if TYPE_CHECKING:
    from cadnet_edu.plan.estimate import Change, Plan


def table(plan: Plan) -> str:
    """All of a plan, in lines of at most about 110 characters.

    Args:
        plan: what to show.
    """
    rows = [*of_run(plan), ("", ""), *of_memory(plan), ("", ""), *of_time(plan)]
    lines = [f"{name:<14}{text}".rstrip() for name, text in rows]
    if plan.changes:
        lines += ["", "what to change, the time being that of the whole run:", *map(of_change, plan.changes)]
        lines += [other_gpus(plan)]
    return "\n".join(lines)


def of_run(plan: Plan) -> list[tuple[str, str]]:
    """What is planned."""
    c, gpu = plan.config, plan.gpu
    total = sum(plan.parameters.values())
    parts = ", ".join(f"{name} {n / 1e6:.2f}" for name, n in plan.parameters.items())
    data = f"{c.dataset}: {plan.size.images:,} training images of {plan.size.identities:,} people, {plan.size.source}"
    return [
        ("run", f"{c.method} at profile {c.profile}: {c.backbone}, {c.height} x {c.width}, "
                f"{c.batch_size} HR + {c.batch_size} LR images a step"),
        ("data", f"{data}; {plan.pixels / GIB:.2f} GiB as bytes in main memory"),
        ("networks", f"{total / 1e6:.2f} M parameters: {parts}"),
        ("GPU", f"{times(plan)}{gpu.name}: {gpu.memory:.1f} GiB, {gpu.bandwidth:.0f} GB/s, {rates(plan)}"),
        ("precision", of_precision(plan)),
    ]  # fmt: skip


def times(plan: Plan) -> str:
    """How many there are, when there are several."""
    share = plan.config.batch_size // plan.devices
    return "" if plan.devices == 1 else f"{plan.devices}, each with {share} HR + {share} LR images of a step, "


def rates(plan: Plan) -> str:
    """The speeds of a data sheet that matter here."""
    gpu = plan.gpu
    named = {"fp32": gpu.fp32, "tf32": gpu.tf32, "bf16": gpu.bf16, "fp16": gpu.fp16}
    return ", ".join(f"{name} {value:g}" for name, value in named.items() if value) + " TFLOP/s"


def of_precision(plan: Plan) -> str:
    """The precision, and why."""
    gpu = plan.gpu
    if plan.precision == "bf16":
        return "bf16: maps and matrix products in bfloat16, weights, losses and momenta in float32"
    if plan.precision == "fp16":
        return "fp16: maps and matrix products in float16, losses scaled; weights and momenta in float32"
    if gpu.bf16:
        return "fp32, as asked for" + ("; convolutions use tf32 by themselves" if gpu.tf32 else "")
    unused = f"; its {gpu.fp16:g} TFLOP/s in fp16 are used with --precision 16-mixed" if gpu.fp16 else ""
    return f"fp32: this processor has no bfloat16{unused}"


def of_memory(plan: Plan) -> list[tuple[str, str]]:
    """What the memory is needed for."""
    from cadnet_edu.plan.estimate import SPARE

    t = plan.tensors
    parts = {"weights": t.weights, "gradients": t.gradients, "momenta": t.optimiser, "maps": t.activations}
    what = ", ".join(f"{name} {n / GIB:.2f}" for name, n in parts.items())
    verdict = "it fits" if plan.fits else f"IT DOES NOT FIT, {plan.memory - plan.gpu.memory:.1f} GiB are missing"
    return [
        ("tensors", f"{t.peak / GIB:.2f} GiB when there are most: {what}"),
        ("memory", f"{plan.memory:.1f} GiB with {SPARE:.0%} for gaps and workspaces, and the driver; "
                   f"there are {plan.gpu.memory:.1f}: {verdict}"),
        ("checkpoint", f"{plan.checkpoint / GIB:.2f} GiB on disk"),
    ]  # fmt: skip


def of_time(plan: Plan) -> list[tuple[str, str]]:
    """How long it takes."""
    from cadnet_edu.plan.estimate import SHARES

    c, (low, high) = plan.config, plan.seconds
    alone = [("", f"without what the devices exchange: {plan.exchanged / GIB:.2f} GiB of gradients a step")]
    shares = " to ".join(f"{share:.0%}" for share in SHARES)
    return [
        ("a step", f"{plan.flops / TERA:.3g} x 10^12 operations, {plan.traffic / 1e9:.3g} GB read and written"),
        ("", f"{seconds(low)} to {seconds(high)}: {shares} of the speed on the data sheet, which would take "
             f"{seconds(plan.bound)}"),
        *(alone if plan.devices > 1 else []),
        ("the run", f"{c.steps:,} steps = {plan.passes:,.0f} passes over the training images at each resolution"),
        ("", f"{span(plan.hours)}, without evaluation"),
    ]  # fmt: skip


def of_change(change: Change) -> str:
    """One change with its estimate."""
    verdict = "fits" if change.fits else "does not fit"
    return f"  {change.what:<32}{change.memory:>6.1f} GiB  {verdict:<14}{span(change.hours):<18}{change.why}"


def other_gpus(plan: Plan) -> str:
    """The GPUs that would hold the run as it is."""
    from cadnet_edu.plan.estimate import larger_gpus

    names = larger_gpus(plan.memory)
    return f"as it is, it fits in: {', '.join(names)}" if names else "no GPU of the table holds it as it is"


def seconds(value: float) -> str:
    """A step's time.

    >>> seconds(0.0123), seconds(1.5), seconds(80)
    ('12 ms', '1.5 s', '80 s')
    """
    return f"{1000 * value:.0f} ms" if value < 0.1 else f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def span(hours: tuple[float, float]) -> str:
    """A range of hours in the unit that fits its upper end.

    >>> span((0.1, 0.5)), span((3, 9)), span((20, 96))
    ('6.0 to 30 min', '3.0 to 9.0 h', '0.8 to 4.0 days')
    """
    low, high = hours
    unit, factor = ("s", 3600.0) if high < 1 / 60 else ("min", 60.0) if high < 1.5 else ("h", 1.0)
    if high >= 48:
        unit, factor = "days", 1 / 24
    return " to ".join(f"{v:.1f}" if v < 10 else f"{v:.0f}" for v in (low * factor, high * factor)) + f" {unit}"
