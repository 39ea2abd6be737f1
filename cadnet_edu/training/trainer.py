"""Training CAD-Net (Sec. 3 and 4.1): alternating updates of the discriminators and of the network."""

import contextlib
import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from cadnet_edu.config import Config
from cadnet_edu.data.fingerprint import describe
from cadnet_edu.data.image_cache import cached_images
from cadnet_edu.data.samples import Split
from cadnet_edu.data.sampling import Batch, Batches, micro_batches
from cadnet_edu.io import append_line, write_atomically, write_json
from cadnet_edu.models.cadnet import CADNet, Output
from cadnet_edu.training.checkpoints import (
    CHECKPOINT,
    Record,
    check_same_config,
    check_same_data,
    claim_folder,
    delete_leftovers,
    identity,
    load_checkpoint,
    load_weights_of,
    read_history,
)
from cadnet_edu.training.code_version import code_version
from cadnet_edu.training.devices import autocast, check_torch_settings, choose_precision
from cadnet_edu.training.distributed import DistributedContext, check_divisible, init_distributed, world_size_of
from cadnet_edu.training.objective import discriminator_terms, generator_terms, total
from cadnet_edu.training.signals import StopSignals
from cadnet_edu.training.start import start_from, weights_of_a_run


class TrainingDiverged(RuntimeError):
    """A loss or a weight is not finite; the message names it and the last good checkpoint."""


def build_network(config: Config, identities: int) -> CADNet:
    """Build the network of a configuration, without parts that no loss would train."""
    with torch.random.fork_rng():  # leaves the caller's random state unchanged
        torch.manual_seed(config.run.seed)
        state = weights_of_a_run(config.model.weights)
        if state is None:
            return _network(config, identities)
        net = _network(config.replace(weights="none"), identities)
        start_from(net, state, config.model.weights)
        return net


def _network(config: Config, identities: int) -> CADNet:
    data, model, loss = config.data, config.model, config.loss
    return CADNet(
        identities,
        data.size,
        backbone=model.backbone,
        weights=model.weights,
        backbone_width=model.backbone_width,
        last_stride=model.last_stride,
        features=model.features,
        decoder=config.has_decoder,
        feature_discriminator=loss.lambda_adv_DF > 0,
        image_discriminator=loss.lambda_adv_DI > 0,
        decoder_width=model.decoder_width,
        discriminator_width=model.discriminator_width,
        skips=model.skips,
        pixel_shuffle=model.pixel_shuffle,
        decoder_grad_scale=model.decoder_grad_scale,
        auxiliary_heads=model.auxiliary_heads,
        bnneck=model.bnneck,
    )


def labelled_pids(pids: Iterable[int], share: float, seed: int) -> list[int]:
    """A random share of the identities, sorted: those whose labels are used.

    >>> labelled_pids(range(100, 110), 0.3, seed=0)
    [101, 104, 107]
    """
    pids = sorted(pids)
    if share == 1:
        return pids
    known = torch.randperm(len(pids), generator=torch.Generator().manual_seed(seed))[: max(1, round(share * len(pids)))]
    return sorted(pids[i] for i in known.tolist())


@contextlib.contextmanager
def frozen(*networks: nn.Module | None) -> Iterator[None]:
    """Within this context the parameters of these networks get no gradients; their inputs do."""
    parameters = [p for net in networks if net is not None for p in net.parameters()]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


def lr_factor(step: int, config: Config) -> float:
    """The factor of the learning rates at a step (counted from 0). Ours: the paper gives no schedule."""
    if step < config.optim.warmup_steps:
        return (step + 1) / config.optim.warmup_steps
    done = step / config.optim.steps
    if config.optim.lr_schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if config.optim.lr_schedule == "step":
        return 0.1 ** ((done >= 0.5) + (done >= 0.75))
    return 1.0


def not_finite(tensors: dict[str, Tensor]) -> list[str]:
    """The names of the tensors with infinite or NaN values.

    >>> not_finite({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([1.0, float("nan")])})
    ['b']
    """
    if not tensors:
        return []
    fine = torch.stack([t.isfinite().all() for t in tensors.values()]).tolist()  # one synchronisation with the device
    return sorted(name for name, ok in zip(tensors, fine, strict=True) if not ok)


def split_hr_lr(out: Output, n: int, u: int) -> tuple[Output, Output]:
    """Split the output of a pass over n labelled HR, n labelled LR, u unlabelled HR and u unlabelled LR images."""

    def part(k: int) -> Output:
        known = slice(k * n, (k + 1) * n)

        def every(t: Tensor) -> Tensor:
            return torch.cat([t[known], t[2 * n + k * u : 2 * n + (k + 1) * u]]) if u else t[known]

        g = None if out.g is None else out.g[known]
        branches = tuple(logits[known] for logits in out.branch_logits)
        x_hat = None if out.x_hat is None else every(out.x_hat)
        return Output(every(out.f), x_hat, g, out.v[known], out.u[known], out.logits[known], branches)

    return part(0), part(1)


class Trainer:
    """Trains one configuration on one data set.

    Args:
        config: all settings.
        split: the data; its training part is decoded once, see ``cadnet_edu.data.image_cache``.
        out: folder for ``checkpoint.pt``, ``config.json`` and ``history.jsonl``; without it nothing is written.
        ranks: the process group; by default that of ``init_distributed``.

    Raises:
        ValueError: when the data have too few images for the batches, or these cannot be split over the devices.

    Choice:
        For the discriminators the paper gives the learning rate only. Their momentum and weight decay are those of the
        network; they are updated once a batch, before the network, from the outputs of the same forward pass.
    """

    def __init__(
        self, config: Config, split: Split, out: Path | str | None = None, ranks: DistributedContext | None = None
    ) -> None:
        check_torch_settings()
        self.out = None if out is None else Path(out).expanduser()
        check_divisible(config, ranks.world if ranks else world_size_of(config.run.device, config.run.devices))
        ranks = ranks or init_distributed(config.run.device, config.run.devices)
        precision = choose_precision(config.run.precision, ranks.device)
        self.pids = labelled_pids({s.pid for s in split.train}, config.data.label_fraction, config.data.data_seed)
        labels = {pid: label for label, pid in enumerate(self.pids)}
        self.batches = Batches(
            cached_images(split.train, config.data.height, config.data.width),
            [labels.get(s.pid, -1) for s in split.train],
            config.data.num_identities,
            config.data.num_instances,
            config.data.rates,
            config.data.flip,
            config.data.max_shift,
            config.run.seed,
            ranks.device,
            config.data.unlabelled_batch_size,
        )
        net = build_network(config, len(self.pids))
        ranks.join_batchnorm(net)
        net.to(ranks.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config, self.net, self.precision = config, net, precision
        self.ranks, self.device = ranks, ranks.device
        # The images for D_I are split over micro-batches and ranks: the same images, whatever their number.
        parts = config.optim.accumulate_grad_batches * ranks.world
        self.loss = replace(config.loss, d_batch_size=config.loss.d_batch_size // parts)
        self.opt_G = self._optimizer(net.generator_parameters(), config.optim.lr)
        discriminators = net.discriminator_parameters()
        self.opt_D = self._optimizer(discriminators, config.optim.lr_D) if discriminators else None
        # In fp16 gradients below 6e-8 would underflow: the loss is scaled, separately for each optimizer.
        fp16 = precision == "fp16"
        self.scaler_G, self.scaler_D = (torch.amp.GradScaler(self.device.type, enabled=fp16) for _ in range(2))
        self.step_number = 0
        self.data = describe(split.train)
        self.identity, self.codes = identity(config), [code_version()]
        self.seconds = 0.0
        self.history: list[Record] = []
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._prepared = False

    def _optimizer(self, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        optim = self.config.optim
        if optim.optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=lr, momentum=optim.momentum, weight_decay=optim.weight_decay)
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=optim.weight_decay, fused=True)

    # ------------------------------------------------------------------------------------------------ one step

    def step(self, batch: Batch | None = None) -> dict[str, Tensor]:
        """One step on one batch: the discriminators ascend eq. (1) and (3), then the network descends eq. (6).

        Several devices split the batch and compute the same as one. With ``accumulate_grad_batches`` each processes
        its part in that many micro-batches, which needs less memory: gradients accumulate, and both optimizers step
        after the last one.

        Returns:
            every loss and further values to log, as detached scalars.

        Choice:
            Micro-batches are not equivalent to the whole batch: BatchNorm's statistics and the triplets are those of
            one micro-batch, and before the last one the network trains against discriminators of the previous step.
        """
        batch = next(self.batches) if batch is None else batch
        self.set_learning_rates()
        self.net.train()
        parts = self.micro_batches(batch)
        logs = [self.step_part(part, last=i == len(parts)) for i, part in enumerate(parts, 1)]
        self.step_number += 1
        return self.ranks.mean(logs)

    def step_part(self, batch: Batch, last: bool = True) -> dict[str, Tensor]:
        """The forward pass and both updates for one micro-batch, which in most runs is the whole batch."""
        with autocast(self.device, self.precision):
            H, L = self.forward(batch)
            up, log_D = discriminator_terms(self.net, batch, H, L, self.loss)
        if up:
            self.update(self.opt_D, -torch.stack(list(up.values())).sum(), last)
        with frozen(self.net.D_F, self.net.D_I), autocast(self.device, self.precision):
            down, log_G = generator_terms(self.net, batch, H, L, self.loss, self.ranks.gather)
            loss = total(down, self.loss)  # eq. (6)
        self.update(self.opt_G, loss, last)
        return {name: value.detach() for name, value in (log_D | log_G | {"L": loss}).items()}

    def forward(self, batch: Batch) -> tuple[Output, Output]:
        """Outputs for the HR and the LR images, in two passes or in one, which differ in BatchNorm's statistics."""
        x_H, x_L = (x.to(memory_format=torch.channels_last) for x in (batch.x_H, batch.x_L))
        if not self.config.model.joint_batchnorm:
            return self.net(x_H, len(batch.y_H)), self.net(x_L, len(batch.y_L))
        n = len(batch.y_H)
        x = torch.cat([x_H[:n], x_L[:n], x_H[n:], x_L[n:]])
        return split_hr_lr(self.net(x, 2 * n), n, len(x_H) - n)

    def update(self, optimizer: torch.optim.Optimizer | None, loss: Tensor, last: bool = True) -> None:
        """Compute the gradients of a loss, and take a step of the optimizer after the last micro-batch.

        Args:
            optimizer: of the parameters that descend the loss.
            loss: of the micro-batch, a mean over its images.
            last: whether this is the last micro-batch.
        """
        assert optimizer is not None
        scaler = self.scaler_D if optimizer is self.opt_D else self.scaler_G  # disabled except in fp16
        scaler.scale(loss / self.config.optim.accumulate_grad_batches).backward()
        if last:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            self.ranks.average([p.grad for p in parameters if p.grad is not None])
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)

    def micro_batches(self, batch: Batch) -> list[Batch]:
        """This rank's part of a batch, in ``accumulate_grad_batches`` micro-batches.

        The n-th micro-batches of all ranks together are the n-th that a single device would take.
        """
        n, rank = self.config.optim.accumulate_grad_batches, self.ranks.rank
        return micro_batches(batch, n * self.ranks.world, self.config.data.num_instances)[rank * n : (rank + 1) * n]

    def set_learning_rates(self) -> None:
        """Set the learning rates of this step."""
        factor = lr_factor(self.step_number, self.config)
        for optimizer, lr in ((self.opt_G, self.config.optim.lr), (self.opt_D, self.config.optim.lr_D)):
            for group in optimizer.param_groups if optimizer else ():
                group["lr"] = lr * factor

    # ------------------------------------------------------------------------------------------------ many steps

    def fit(
        self, until: int | None = None, callback: Callable[[Record], None] | None = None, bar: bool = True
    ) -> list[Record]:
        """Train up to the configured number of steps, or up to step ``until``.

        After Ctrl-C or SIGTERM the current step is finished and saved; a second Ctrl-C stops at once.

        Args:
            until: stop after this step, with the learning-rate schedule of all steps.
            callback: called with each logged record.
            bar: show a progress bar, on rank 0.

        Returns:
            the history: one record every ``log_every`` steps, each the mean over those steps.

        Raises:
            TrainingDiverged: when a loss is no longer a number. The last good checkpoint is kept.
            ValueError: when ``out`` holds a run that was not resumed, or gradients are switched off.
            KeyboardInterrupt: after Ctrl-C.
            SystemExit: after SIGTERM.
        """
        check_torch_settings()
        end = self.config.optim.steps if until is None else min(until, self.config.optim.steps)
        self._prepare_folder()
        started, before = time.perf_counter(), self.seconds
        quiet = not (bar and self.ranks.is_rank_zero)
        with (
            StopSignals() as stop,
            tqdm(
                total=self.config.optim.steps, initial=self.step_number, disable=quiet, unit="step", mininterval=1
            ) as progress,
        ):
            while self.step_number < end:
                self._add(self.step())
                progress.update()
                self.seconds = before + time.perf_counter() - started
                if self.step_number % self.config.run.log_every == 0 or self.step_number == self.config.optim.steps:
                    record = self._log()
                    progress.set_postfix(L=f"{record['L']:.3g}", acc=f"{record.get('accuracy', 0):.2f}")
                    if callback is not None:
                        callback(record)
                stopped = self._stop_requested(stop)
                if stopped or self.step_number % self.config.run.checkpoint_every == 0 or self.step_number == end:
                    self._check_finite()  # before it replaces a good checkpoint
                    self.save()
                if stopped:
                    stop.leave()
        return self.history

    def _stop_requested(self, stop: StopSignals) -> bool:
        """Whether any rank got a signal; several ranks must stop at the same step, so they check every tenth."""
        if self.ranks.world == 1:
            return stop.number is not None
        return self.step_number % 10 == 0 and self.ranks.any(stop.number is not None)

    def _prepare_folder(self) -> None:
        """Prepare ``out``: delete the remains of a run without a checkpoint, refuse the folder of another run.

        The settings are written before the first step, so that an unwritable folder is reported at once.

        Raises:
            ValueError: when it holds a checkpoint and ``resume`` was not called.
        """
        if self.out is None:
            return
        out = self.out
        if not self._prepared:
            self.ranks.on_rank_zero(lambda: claim_folder(out))
        self._prepared = True
        self.ranks.on_rank_zero(lambda: write_json(out / "config.json", self.config.to_dict()))

    def estimate(self, steps: int = 4) -> float:
        """Estimated seconds of the rest of the run, from a few trial steps that are undone."""
        before = copy.deepcopy(self.state_dict())
        times = []
        for _ in range(steps):
            started = time.perf_counter()
            self.step()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        self.load_state_dict(before)
        return sorted(times)[len(times) // 2] * (self.config.optim.steps - self.step_number)

    def _add(self, record: dict[str, Tensor]) -> None:
        for name, value in record.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=self.device)) + value
        self._summed += 1

    def _log(self) -> Record:
        record: Record = {"step": self.step_number}
        record |= {name: (total / self._summed).item() for name, total in sorted(self._sums.items())}
        record |= {"lr": self.opt_G.param_groups[0]["lr"], "seconds": round(self.seconds, 3)}
        self._check_finite()
        self._sums, self._summed = {}, 0
        self.history.append(record)
        if self.out is not None:
            history = self.out / "history.jsonl"
            self.ranks.on_rank_zero(lambda: append_line(history, json.dumps(record)))
        return record

    def _check_finite(self) -> None:
        """Raise ``TrainingDiverged`` if a loss since the last record, or a weight, is not finite."""
        wrong = not_finite(self._sums) or not_finite(self.net.state_dict())
        if not wrong:
            return
        kept = "There is no checkpoint yet."
        if self.out is not None and (self.out / CHECKPOINT).exists():
            kept = f"The last good checkpoint is {self.out / CHECKPOINT}."
        raise TrainingDiverged(
            f"step {self.step_number}: {', '.join(wrong[:6])} is no longer a number, so training stops here. {kept} "
            "Usual cures: precision='fp32', or, in a new folder, a smaller lr or a smaller weight for the loss that "
            "grew first (see history.jsonl)."
        )

    # ------------------------------------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """The complete state of the run, as tensors, numbers and strings."""
        return {
            "config": json.dumps(self.config.to_dict()),
            "identity": json.dumps(self.identity),
            "pids": list(self.pids),
            "fingerprint": self.data,
            "codes": list(self.codes),
            "step": self.step_number,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "opt_G": self.opt_G.state_dict(),
            "opt_D": None if self.opt_D is None else self.opt_D.state_dict(),
            "scales": [scaler.state_dict() for scaler in (self.scaler_G, self.scaler_D)],
            "batches": self.batches.state_dict(),
            "rng": torch.get_rng_state(),
            "sums": dict(self._sums),
            "summed": self._summed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from ``state_dict``.

        Raises:
            ValueError: when it is of another configuration or other data.
        """
        check_same_config(state, self.config)
        if state["pids"] != list(self.pids):
            raise ValueError("the checkpoint was trained on other identities than those of this data set.")
        check_same_data(state, self.data)
        load_weights_of(self.net, state)
        self.step_number, self.seconds = state["step"], state["seconds"]
        self.opt_G.load_state_dict(state["opt_G"])
        if self.opt_D is not None:
            self.opt_D.load_state_dict(state["opt_D"])
        for scaler, scale in zip((self.scaler_G, self.scaler_D), state.get("scales", ({}, {})), strict=True):
            if scale and scaler.is_enabled():
                scaler.load_state_dict(scale)
        self.batches.load_state_dict(state["batches"])
        torch.set_rng_state(state["rng"].cpu())
        self._sums = {name: total.to(self.device) for name, total in state["sums"].items()}
        self._summed = state["summed"]
        now = self.codes[-1]
        self.codes = [*(code for code in state.get("codes", []) if code != now), now]

    def save(self) -> None:
        """Write ``checkpoint.pt`` and ``config.json`` atomically.

        Raises:
            ValueError: when ``out`` holds a run that was not resumed.
        """
        if self.out is None:
            return
        self._prepare_folder()
        path = self.out / CHECKPOINT
        self.ranks.on_rank_zero(lambda: write_atomically(path, lambda file: torch.save(self.state_dict(), file)))

    def resume(self) -> bool:
        """Resume from the checkpoint in ``out``, if there is one, and truncate the history to its step.

        Returns:
            whether there was one.

        Raises:
            ValueError: when it is damaged or belongs to another configuration.
        """
        if self.out is None:
            return False
        out, self._prepared = self.out, True
        self.ranks.on_rank_zero(lambda: delete_leftovers(out))
        if not self.ranks.broadcast_from_zero((out / CHECKPOINT).exists()):
            return False
        self.load_state_dict(load_checkpoint(out / CHECKPOINT))
        self.history = [r for r in read_history(out) if r["step"] <= self.step_number]
        lines = "".join(json.dumps(r) + "\n" for r in self.history).encode()
        self.ranks.on_rank_zero(lambda: write_atomically(out / "history.jsonl", lambda file: file.write(lines)))
        return True


def network_of(state: dict[str, Any], device: torch.device | str = "cpu") -> CADNet:
    """The network of a checkpoint, in evaluation mode.

    Args:
        state: the checkpoint.
        device: for the network.

    Raises:
        ValueError: when the weights do not fit.
    """
    config = Config.from_dict(json.loads(state["config"]))
    net = build_network(config.replace(weights="none"), len(state["pids"]))
    load_weights_of(net, state)
    return net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
