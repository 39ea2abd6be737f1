"""Training CAD-Net (Sec. 3 and 4.1): two updates in turn, one of the discriminators and one of the network."""

from __future__ import annotations

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
    Record,
    check_same_config,
    check_same_data,
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
    """Training cannot go on; the message says why and where the last good checkpoint is."""


def build_network(config: Config, identities: int) -> CADNet:
    """The network that a configuration describes; parts that no loss would train are not built."""
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        torch.manual_seed(config.run.seed)
        state = weights_of_a_run(config.model.weights)
        if state is None:
            return _network(config, identities)
        net = _network(config.replace(weights="none"), identities)
        start_from(net, state, config.model.weights)
        return net


def _network(config: Config, identities: int) -> CADNet:
    data, model, loss = config.data, config.model, config.loss
    recovers = model.features != "f" or loss.lambda_rec > 0 or loss.lambda_adv_DI > 0
    return CADNet(
        identities,
        data.size,
        backbone=model.backbone,
        weights=model.weights,
        backbone_width=model.backbone_width,
        last_stride=model.last_stride,
        features=model.features,
        decoder=model.use_decoder and recovers,
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
    """The identities whose labels are known: that share of all of them, drawn by the seed, in order.

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
    """Gradients flow through these networks but not into their parameters."""
    parameters = [p for net in networks if net is not None for p in net.parameters()]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


def lr_factor(step: int, config: Config) -> float:
    """What the learning rates are multiplied with at a step (counted from 0). Ours: the paper gives no schedule."""
    if step < config.optim.warmup_steps:
        return (step + 1) / config.optim.warmup_steps
    done = step / config.optim.steps
    if config.optim.lr_schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if config.optim.lr_schedule == "step":
        return 0.1 ** ((done >= 0.5) + (done >= 0.75))
    return 1.0


def not_finite(tensors: dict[str, Tensor]) -> list[str]:
    """The names of those tensors that hold an infinite value or one that is not a number.

    >>> not_finite({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([1.0, float("nan")])})
    ['b']
    """
    if not tensors:
        return []
    fine = torch.stack([t.isfinite().all() for t in tensors.values()]).tolist()  # one synchronisation with the device
    return sorted(name for name, ok in zip(tensors, fine, strict=True) if not ok)


def split_hr_lr(out: Output, n: int, u: int) -> tuple[Output, Output]:
    """Outputs of a pass over n labelled HR, n labelled LR, u other HR and u other LR images: those of HR, of LR."""

    def part(k: int) -> Output:
        known = slice(k * n, (k + 1) * n)
        every = lambda t: torch.cat([t[known], t[2 * n + k * u : 2 * n + (k + 1) * u]]) if u else t[known]  # noqa: E731
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
        ranks: the processes that train together; without it ``init_distributed`` finds or starts them.

    Raises:
        ValueError: when the data cannot feed the batches that the configuration wants, or devices cannot share them.

    Choice:
        Of the discriminators the paper gives the learning rate only. Their momentum and weight decay are those of the
        network, they move once a batch, before the network does, and both look at the outputs of one forward pass.
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
        # Each part of a batch has its share of the images that D_I sees: the same images however many parts there are.
        parts = config.optim.accumulate_grad_batches * ranks.world
        self.loss = replace(config.loss, d_batch_size=config.loss.d_batch_size // parts)
        self.opt_G = self._optimizer(net.generator_parameters(), config.optim.lr)
        discriminators = net.discriminator_parameters()
        self.opt_D = self._optimizer(discriminators, config.optim.lr_D) if discriminators else None
        # Gradients below 6e-8 would vanish in fp16: they are computed enlarged, and each optimizer has its own scale.
        fp16 = precision == "fp16"
        self.scaler_G, self.scaler_D = (torch.amp.GradScaler(self.device.type, enabled=fp16) for _ in range(2))
        self.step_number = 0
        self.data = describe(split.train)
        self.identity, self.codes = identity(config), [code_version()]
        self.seconds = 0.0
        self.history: list[Record] = []
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._begun = False

    def _optimizer(self, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        optim = self.config.optim
        if optim.optimizer == "sgd":
            return torch.optim.SGD(parameters, lr=lr, momentum=optim.momentum, weight_decay=optim.weight_decay)
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=optim.weight_decay, fused=True)

    # ------------------------------------------------------------------------------------------------ one step

    def step(self, batch: Batch | None = None) -> dict[str, Tensor]:
        """One step on one batch: the discriminators take one up eq. (1) and (3), the network takes one down eq. (6).

        Several devices share the batch out, and compute together what one would. With ``accumulate`` each takes its
        share in that many parts, one after the other, which needs less memory: both optimizers add up the gradients of
        all parts and step after the last one.

        Returns:
            the value of every loss and what explains it, as detached scalars.

        Choice:
            Parts are not quite the whole: BatchNorm sees one part at a time, triplets are formed within a part, and but
            for the last part the network faces discriminators that have not stepped yet.
        """
        batch = next(self.batches) if batch is None else batch
        self.set_learning_rates()
        self.net.train()
        parts = self.micro_batches(batch)
        logs = [self.step_part(part, last=i == len(parts)) for i, part in enumerate(parts, 1)]
        self.step_number += 1
        return self.ranks.mean(logs)

    def step_part(self, batch: Batch, last: bool = True) -> dict[str, Tensor]:
        """The forward pass and both updates for one part of a batch, which is the whole batch in most runs."""
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
        """Outputs for the HR and the LR images, in two passes or in one (BatchNorm can tell the difference)."""
        x_H, x_L = (x.to(memory_format=torch.channels_last) for x in (batch.x_H, batch.x_L))
        if not self.config.model.joint_batchnorm:
            return self.net(x_H, len(batch.y_H)), self.net(x_L, len(batch.y_L))
        n = len(batch.y_H)
        x = torch.cat([x_H[:n], x_L[:n], x_H[n:], x_L[n:]])
        return split_hr_lr(self.net(x, 2 * n), n, len(x_H) - n)

    def update(self, optimizer: torch.optim.Optimizer | None, loss: Tensor, last: bool = True) -> None:
        """Take a step down a loss; of a batch in parts, add up the gradients and step after the last one.

        Args:
            optimizer: whose parameters move.
            loss: of the part at hand, a mean over its images.
            last: whether this is the last part.
        """
        assert optimizer is not None
        scaler = self.scaler_D if optimizer is self.opt_D else self.scaler_G  # idle but in fp16
        scaler.scale(loss / self.config.optim.accumulate_grad_batches).backward()
        if last:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            self.ranks.average([p.grad for p in parameters if p.grad is not None])
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)

    def micro_batches(self, batch: Batch) -> list[Batch]:
        """This device's share of a batch, in as many parts as ``accumulate`` says.

        The n-th parts of all devices together are the n-th part that one device would take.
        """
        n, rank = self.config.optim.accumulate_grad_batches, self.ranks.rank
        return micro_batches(batch, n * self.ranks.world, self.config.data.num_instances)[rank * n : (rank + 1) * n]

    def set_learning_rates(self) -> None:
        """The learning rates of this step."""
        factor = lr_factor(self.step_number, self.config)
        for optimizer, lr in ((self.opt_G, self.config.optim.lr), (self.opt_D, self.config.optim.lr_D)):
            for group in optimizer.param_groups if optimizer else ():
                group["lr"] = lr * factor

    # ------------------------------------------------------------------------------------------------ many steps

    def fit(
        self, until: int | None = None, callback: Callable[[Record], None] | None = None, bar: bool = True
    ) -> list[Record]:
        """Train up to the configured number of steps, or up to step ``until``.

        Ctrl-C and SIGTERM let the step at hand come to its end, and save a checkpoint; a second Ctrl-C ends at once.

        Args:
            until: stop after this step, as a killed run would; the schedule is still that of all steps.
            callback: called with each logged record.
            bar: show a progress bar, on the first rank.

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
        self._begin()
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
                stopped = self._stopped(stop)
                if stopped or self.step_number % self.config.run.checkpoint_every == 0 or self.step_number == end:
                    self._stop_unless_finite()  # a bad checkpoint must never replace a good one
                    self.save()
                if stopped:
                    stop.leave()
        return self.history

    def _stopped(self, stop: StopSignals) -> bool:
        """Whether a signal has come, on whichever rank; several ranks must stop at one step, and look now and then."""
        if self.ranks.world == 1:
            return stop.number is not None
        return self.step_number % 10 == 0 and self.ranks.any(stop.number is not None)

    def _begin(self) -> None:
        """Take possession of ``out``: what a run without a checkpoint left is cleared away, another run is not touched.

        The settings are written before the first step, so that a folder that takes no file is found at once.

        Raises:
            ValueError: when it holds a checkpoint and ``resume`` was not called.
        """
        if not self._begun:
            self.ranks.on_rank_zero(self._clear)
        self._begun = True
        self._save_config()

    def _clear(self) -> None:
        if self._saved():
            raise ValueError(
                f"{self.out}: there is a run in this folder. Call resume() before fit() to go on with it, or choose "
                "another folder."
            )
        if self.out is not None and self.out.is_dir():
            self._tidy()

    def estimate(self, steps: int = 4) -> float:
        """Seconds that the rest of the run will take, from a few trial steps that leave no trace."""
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
        self._stop_unless_finite()
        self._sums, self._summed = {}, 0
        self.history.append(record)
        if self.out is not None:
            history = self.out / "history.jsonl"
            self.ranks.on_rank_zero(lambda: append_line(history, json.dumps(record)))
        return record

    def _stop_unless_finite(self) -> None:
        """Raise ``TrainingDiverged`` when a loss since the last record, or a weight, is infinite or not a number."""
        wrong = not_finite(self._sums) or not_finite(self.net.state_dict())
        if not wrong:
            return
        kept = "There is no checkpoint yet."
        if self.out is not None and self._saved():
            kept = f"The last good checkpoint is {self.out / 'checkpoint.pt'}."
        raise TrainingDiverged(
            f"step {self.step_number}: {', '.join(wrong[:6])} is no longer a number, so training stops here. {kept} "
            "Usual cures: precision='fp32', or, in a new folder, a smaller lr or a smaller weight for the loss that "
            "grew first (see history.jsonl)."
        )

    def _saved(self) -> bool:
        return self.out is not None and (self.out / "checkpoint.pt").exists()

    # ------------------------------------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, as tensors, numbers and strings."""
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
        """Continue where ``state_dict`` was taken.

        Raises:
            ValueError: when it was taken from another configuration or other data.
        """
        self._compare(state)
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

    def _compare(self, state: dict[str, Any]) -> None:
        check_same_config(state, self.config)
        if state["pids"] != list(self.pids):
            raise ValueError("the checkpoint was trained on other identities than those of this data set.")
        check_same_data(state, self.data)

    def save(self) -> None:
        """Write ``checkpoint.pt`` and ``config.json``, each completely or not at all.

        Raises:
            ValueError: when ``out`` holds a run that was not resumed.
        """
        if self.out is None:
            return
        self._begin()
        path = self.out / "checkpoint.pt"
        self.ranks.on_rank_zero(lambda: write_atomically(path, lambda file: torch.save(self.state_dict(), file)))

    def _save_config(self) -> None:
        if self.out is not None:
            path = self.out / "config.json"
            self.ranks.on_rank_zero(lambda: write_json(path, self.config.to_dict()))

    def resume(self) -> bool:
        """Continue from the checkpoint in ``out``, if there is one; the history is cut back to it.

        Returns:
            whether there was one.

        Raises:
            ValueError: when it is damaged or belongs to another configuration.
        """
        if self.out is None:
            return False
        out, self._begun = self.out, True
        self.ranks.on_rank_zero(self._tidy)
        if not self.ranks.broadcast_from_zero(self._saved()):
            return False
        self.load_state_dict(load_checkpoint(out / "checkpoint.pt"))
        self.history = [r for r in read_history(out) if r["step"] <= self.step_number]
        lines = "".join(json.dumps(r) + "\n" for r in self.history).encode()
        self.ranks.on_rank_zero(lambda: write_atomically(out / "history.jsonl", lambda file: file.write(lines)))
        return True

    def _tidy(self) -> None:
        """Delete what a run left that was killed while it wrote a file, or before its first checkpoint."""
        assert self.out is not None
        for half in self.out.glob(".*.part"):
            half.unlink(missing_ok=True)
        if not self._saved():  # what is left of a run without a checkpoint belongs to nothing
            for left in (self.out / "history.jsonl", self.out / "run.json", *self.out.glob("evaluation*.json")):
                left.unlink(missing_ok=True)


def load_network(out: Path | str, device: torch.device | str = "cpu") -> tuple[CADNet, Config]:
    """The trained network of a run's folder, in evaluation mode, and the settings it was trained with.

    Raises:
        ValueError: when the folder holds no usable checkpoint.
    """
    state = load_checkpoint(Path(out) / "checkpoint.pt", device)
    return network_of(state, device), Config.from_dict(json.loads(state["config"]))


def network_of(state: dict[str, Any], device: torch.device | str = "cpu") -> CADNet:
    """The network of a checkpoint, in evaluation mode.

    Args:
        state: the checkpoint.
        device: where the network is wanted.

    Raises:
        ValueError: when the weights do not fit.
    """
    config = Config.from_dict(json.loads(state["config"]))
    net = build_network(config.replace(weights="none"), len(state["pids"]))
    load_weights_of(net, state)
    return net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
