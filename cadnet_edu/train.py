"""Training CAD-Net (Sec. 3 and 4.1): two steps in turn, one for the judges, one for the network they judge."""

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

from cadnet_edu.checkpoints import Record, load_checkpoint, load_weights_of, read_history, refuse_other
from cadnet_edu.config import Config
from cadnet_edu.data.cache import cached_images
from cadnet_edu.data.loading import Batch, Batches, listing, parts
from cadnet_edu.data.samples import Split
from cadnet_edu.devices import autocast, choose_precision
from cadnet_edu.distributed import Ranks, divides, join, together
from cadnet_edu.files import append_line, write_atomically, write_json
from cadnet_edu.losses import L_adv_DF, L_adv_DF_G, L_adv_DI, L_adv_DI_G, L_cls, L_id, L_rec, L_total, L_tri
from cadnet_edu.models.cadnet import CADNet, Output
from cadnet_edu.start import start_from, weights_of_a_run
from cadnet_edu.versions import code_version


class TrainingStopped(RuntimeError):
    """Training cannot go on; the message says why and where the last good checkpoint is."""


def build_network(config: Config, identities: int) -> CADNet:
    """The network that a configuration describes; parts that no loss would train are not built."""
    with torch.random.fork_rng():  # the random numbers of whoever asks stay as they are
        torch.manual_seed(config.seed)
        state = weights_of_a_run(config.weights)
        if state is None:
            return _network(config, identities)
        net = _network(replace(config, weights="none"), identities)
        start_from(net, state, config.weights)
        return net


def _network(config: Config, identities: int) -> CADNet:
    lam = config.lam
    return CADNet(
        identities,
        (config.height, config.width),
        backbone=config.backbone,
        weights=config.weights,
        backbone_width=config.backbone_width,
        last_stride=config.last_stride,
        features=config.features,
        decoder=config.recovery and (config.features != "f" or lam.rec > 0 or lam.adv_DI > 0),
        feature_discriminator=lam.adv_DF > 0,
        image_discriminator=lam.adv_DI > 0,
        decoder_width=config.decoder_width,
        discriminator_width=config.discriminator_width,
        skips=config.skips,
        subpixel=config.subpixel,
        backflow=config.backflow,
        branch_heads=config.branch_heads,
        neck=config.neck,
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
    """Gradients flow through these networks but not into their parameters. Built in chapter 08."""
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
    if step < config.warmup:
        return (step + 1) / config.warmup
    done = step / config.steps
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if config.schedule == "step":
        return 0.1 ** ((done >= 0.5) + (done >= 0.75))
    return 1.0


def not_finite(tensors: dict[str, Tensor]) -> list[str]:
    """The names of those tensors that hold an infinite value or one that is not a number.

    >>> not_finite({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([1.0, float("nan")])})
    ['b']
    """
    if not tensors:
        return []
    fine = torch.stack([t.isfinite().all() for t in tensors.values()]).tolist()  # asks the device once
    return sorted(name for name, ok in zip(tensors, fine, strict=True) if not ok)


def halves(out: Output, n: int, u: int) -> tuple[Output, Output]:
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
        split: the data; its training part is decoded once, see ``cadnet_edu.data.cache``.
        out: folder for ``checkpoint.pt``, ``config.json`` and ``history.jsonl``; without it nothing is written.
        ranks: the processes that train together; without it ``join`` finds or starts as many as ``config.devices``.

    Raises:
        ValueError: when the data cannot feed the batches that the configuration wants, or devices cannot share them.

    Choice:
        Of the discriminators the paper gives the learning rate only. Their momentum and weight decay are those of the
        network, they move once a batch, before the network does, and both look at the outputs of one forward pass.
    """

    _first = _last = True  # of the parts of a batch; a batch that is not in parts is both

    def __init__(
        self, config: Config, split: Split, out: Path | str | None = None, ranks: Ranks | None = None
    ) -> None:
        self.out = None if out is None else Path(out)
        divides(config, ranks.world if ranks else together(config.device, config.devices))
        ranks = ranks or join(config.device, config.devices)
        precision = choose_precision(config.precision, ranks.device)
        self.pids = labelled_pids({s.pid for s in split.train}, config.labelled, config.data_seed)
        labels = {pid: label for label, pid in enumerate(self.pids)}
        self.batches = Batches(
            cached_images(split.train, config.height, config.width),
            [labels.get(s.pid, -1) for s in split.train],
            config.identities,
            config.images_per_identity,
            config.rates,
            config.flip,
            config.crop,
            config.seed,
            ranks.device,
            config.unlabelled_images,
        )
        net = build_network(config, len(self.pids))
        ranks.join_batchnorm(net)
        net.to(ranks.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._equip(config, net, precision, ranks)
        self.data, self.codes = listing(split.train), [code_version()]
        self.seconds = 0.0
        self.history: list[Record] = []
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._begun = False

    def _equip(self, config: Config, net: CADNet, precision: str, ranks: Ranks) -> None:
        """What a step needs besides a batch: a network, an optimiser for each side, and where and how to compute."""
        self.config, self.net, self.precision = config, net, precision
        self.ranks, self.device = ranks, ranks.device
        self.opt_G = self._optimiser(net.generator_parameters(), config.lr)
        judges = net.discriminator_parameters()
        self.opt_D = self._optimiser(judges, config.lr_D) if judges else None
        # Gradients below 6e-8 would vanish in fp16: they are computed enlarged, and each optimiser has its own scale.
        fp16 = precision == "fp16"
        self.scaler_G, self.scaler_D = (torch.amp.GradScaler(self.device.type, enabled=fp16) for _ in range(2))
        self.step_number = 0

    def _optimiser(self, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        c = self.config
        if c.optimiser == "sgd":
            return torch.optim.SGD(parameters, lr=lr, momentum=c.momentum, weight_decay=c.weight_decay)
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=c.weight_decay, fused=True)

    # ------------------------------------------------------------------------------------------------ one step

    def step(self, batch: Batch | None = None) -> dict[str, Tensor]:
        """One step on one batch: a forward pass of HR and LR images, then step_D, then step_G.

        Built in chapter 08.

        Several devices share the batch out, and compute together what one would. With ``accumulate`` each takes its
        share in that many parts, one after the other, which needs less memory: both optimisers add up the gradients of
        all parts and step after the last one.

        Returns:
            the value of every loss and what explains it, as detached scalars.

        Choice:
            Parts are not quite the whole: BatchNorm sees one part at a time, triplets are formed within a part, and but
            for the last part step_G asks discriminators that have not stepped yet.
        """
        batch = next(self.batches) if batch is None else batch
        factor = lr_factor(self.step_number, self.config)
        self._set_lr(self.opt_G, self.config.lr * factor)
        self.net.train()
        records, shares = [], self.share(batch)
        for i, part in enumerate(shares):
            self._first, self._last = i == 0, i == len(shares) - 1
            if self.step_number < self.config.recover_first and self.net.G is not None:
                records.append(self.step_rec(part))
                continue
            with self._autocast():
                out_H, out_L = self.forward(part)
            record = self.step_D(part, out_H, out_L) if self.opt_D is not None else {}
            records.append(record | self.step_G(part, out_H, out_L))
        self._first = self._last = True
        self.step_number += 1
        return self.ranks.mean(records)

    def share(self, batch: Batch) -> list[Batch]:
        """This device's share of a batch, in as many parts as ``accumulate`` says.

        The n-th parts of all devices together are the n-th part that one device would take.
        """
        n, rank = self.config.accumulate, self.ranks.rank
        return parts(batch, self.pieces, self.config.images_per_identity)[rank * n : (rank + 1) * n]

    @property
    def pieces(self) -> int:
        """Into how many parts a batch is taken apart, over all devices; each has its share of ``judged_images``.

        Those are the same images however many parts there are, if they are whole identities in each.
        """
        return self.config.accumulate * self.ranks.world

    def forward(self, batch: Batch) -> tuple[Output, Output]:
        """Outputs for the HR and the LR images, in two passes or in one (BatchNorm can tell the difference)."""
        x_H, x_L = (x.to(memory_format=torch.channels_last) for x in (batch.x_H, batch.x_L))
        if self.config.encoder_passes == 2:
            return self.net(x_H, len(batch.y_H)), self.net(x_L, len(batch.y_L))
        n = len(batch.y_H)
        x = torch.cat([x_H[:n], x_L[:n], x_H[n:], x_L[n:]])
        return halves(self.net(x, 2 * n), n, len(x_H) - n)

    def step_D(self, batch: Batch, out_H: Output, out_L: Output) -> dict[str, Tensor]:
        """D_F and D_I take one step up eq. (1) and eq. (3).

        Built in chapter 08.

        ``detach`` cuts the graph: what the judges learn here must not reach E and G.
        """
        assert self.opt_D is not None
        self._set_lr(self.opt_D, self.config.lr_D * lr_factor(self.step_number, self.config))
        record: dict[str, Tensor] = {}
        judged = slice(self.config.judged_images // self.pieces or None)
        climb = torch.zeros((), device=self.device)
        if self.net.D_F is not None:
            z_H, z_L = self._ask(self.net.D_F, out_H.f.detach(), out_L.f.detach())
            adv_DF = L_adv_DF(z_H, z_L)  # eq. (1)
            climb = climb + adv_DF
            record |= {"L_adv_DF": adv_DF, "D_F(f_H)": z_H.sigmoid().mean(), "D_F(f_L)": z_L.sigmoid().mean()}
        if self.net.D_I is not None and out_H.x_hat is not None and out_L.x_hat is not None:
            (z_real,) = self._ask(self.net.D_I, batch.x_H[judged])
            z_L, z_H = self._ask(self.net.D_I, out_L.x_hat[judged].detach(), out_H.x_hat[judged].detach())
            adv_DI = L_adv_DI(z_real, z_L, z_H)  # eq. (3)
            climb = climb + adv_DI
            record |= {"L_adv_DI": adv_DI, "D_I(x_H)": z_real.sigmoid().mean(), "D_I(G(f_L))": z_L.sigmoid().mean()}
        self.descend(-climb, self.opt_D, self.scaler_D)
        return {name: value.detach() for name, value in record.items()}

    def step_rec(self, batch: Batch) -> dict[str, Tensor]:
        """E and G take one step down L_rec alone: how CRGAN is warmed up before there is anybody to please."""
        assert self.net.G is not None
        x = torch.cat([batch.x_H, batch.x_L]).to(memory_format=torch.channels_last)
        with self._autocast():
            x_hat_H, x_hat_L = self.net.recover(x).float().chunk(2)
        rec = L_rec(x_hat_H, batch.x_H, x_hat_L, batch.x_L_gt, self.config.reduction, self.config.smooth)  # eq. (2)
        L = self.config.lam.rec * rec
        self.descend(L, self.opt_G, self.scaler_G)
        return {"L": L.detach(), "L_rec": rec.detach()}

    def step_G(self, batch: Batch, out_H: Output, out_L: Output) -> dict[str, Tensor]:
        """E, G, F and C take one step down eq. (6), through frozen discriminators. Built in chapter 08."""
        c, lam = self.config, self.config.lam
        record: dict[str, Tensor] = {}
        judged = slice(c.judged_images // self.pieces or None)
        zero = torch.zeros((), device=self.device)
        with frozen(self.net.D_F, self.net.D_I):
            ident, tri, active = self.classification(out_H, out_L, batch)
            cls = L_cls(ident, tri) if lam.cls else zero  # eq. (4)
            adv_DF = rec = adv_DI = zero
            if lam.adv_DF and self.net.D_F is not None:
                whom = (out_L.f,) if c.adversarial == "non_saturating" else (out_L.f, out_H.f)
                z_f = self._ask(self.net.D_F, *whom)
                adv_DF = L_adv_DF_G(z_f[1] if len(z_f) > 1 else None, z_f[0], c.adversarial)  # eq. (1), E's side
                record["L_adv_DF_G"] = adv_DF
            if lam.rec and out_H.x_hat is not None and out_L.x_hat is not None:
                x_hat_H, x_hat_L = out_H.x_hat.float(), out_L.x_hat.float()
                rec = L_rec(x_hat_H, batch.x_H, x_hat_L, batch.x_L_gt, c.reduction, c.smooth)  # eq. (2)
                record["L_rec"] = rec
            if lam.adv_DI and self.net.D_I is not None and out_H.x_hat is not None and out_L.x_hat is not None:
                z_L, z_H = self._ask(self.net.D_I, out_L.x_hat[judged], out_H.x_hat[judged])
                adv_DI = L_adv_DI_G(z_L, z_H, c.adversarial)  # eq. (3), G's side
                record["L_adv_DI_G"] = adv_DI
            L = L_total(cls, adv_DF, rec, adv_DI, adv_DF=lam.adv_DF, rec=lam.rec, adv_DI=lam.adv_DI)  # eq. (6)
        self.descend(L, self.opt_G, self.scaler_G)
        right = torch.cat([out_H.logits.argmax(1) == batch.y_H, out_L.logits.argmax(1) == batch.y_L])
        record |= {"L": L, "L_id": ident, "L_tri": tri, "active": active, "accuracy": right.float().mean()}
        return {name: value.detach() for name, value in record.items()}

    def descend(self, loss: Tensor, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        """Take a step down a loss; of a batch in parts, add up the gradients and step after the last one.

        Built in chapter 08.

        Args:
            loss: of the part at hand, a mean over its images.
            optimiser: whose parameters move.
            scaler: keeps the gradients of fp16 from vanishing and leaves out steps where they overflow; else idle.
        """
        if self._first:
            optimiser.zero_grad(set_to_none=True)
        share = 1 if self._first and self._last else self.config.accumulate
        scaler.scale(loss / share).backward()
        if self._last:
            parameters = [p for group in optimiser.param_groups for p in group["params"]]
            self.ranks.average([p.grad for p in parameters if p.grad is not None])
            scaler.step(optimiser)
            scaler.update()

    def classification(self, out_H: Output, out_L: Output, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """L_id and L_tri on v, and the share of active triplets; with branch heads, the same on f and on g as well."""
        c = self.config
        ident = L_id(out_H.logits.float(), batch.y_H) + L_id(out_L.logits.float(), batch.y_L)
        u_H, y_H, u_L, y_L = self.ranks.gather(out_H.u, batch.y_H, out_L.u, batch.y_L)  # pairs reach over all devices
        tri, active = L_tri(u_H, y_H, u_L, y_L, c.phi, c.mining)  # eq. (5)
        if c.branch_heads:  # u = [GAP(f), GAP(g)]
            for logits_H, logits_L in zip(out_H.branch_logits, out_L.branch_logits, strict=True):
                ident = ident + L_id(logits_H.float(), batch.y_H) + L_id(logits_L.float(), batch.y_L)
            for branch_H, branch_L in zip(u_H.chunk(2, dim=1), u_L.chunk(2, dim=1), strict=True):
                tri = tri + L_tri(branch_H, y_H, branch_L, y_L, c.phi, c.mining)[0]
        return ident, tri, active

    def _ask(self, judge: nn.Module, *batches: Tensor) -> tuple[Tensor, ...]:
        """A discriminator's logits for each batch, in float32: losses are never computed in low precision."""
        x = torch.cat(batches) if len(batches) > 1 else batches[0]
        with self._autocast():
            z = judge(x.to(memory_format=torch.channels_last)).float()
        return z.split([len(batch) for batch in batches])

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return autocast(self.device, self.precision)

    @staticmethod
    def _set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
        for group in optimiser.param_groups:
            group["lr"] = lr

    # ------------------------------------------------------------------------------------------------ many steps

    def fit(
        self, until: int | None = None, callback: Callable[[Record], None] | None = None, bar: bool = True
    ) -> list[Record]:
        """Train up to the configured number of steps, or up to step ``until``.

        Args:
            until: stop after this step, as a killed run would; the schedule is still that of all steps.
            callback: called with each logged record.
            bar: show a progress bar, on the first rank.

        Returns:
            the history: one record every ``log_every`` steps, each the mean over those steps.

        Raises:
            TrainingStopped: when a loss is no longer a number. The last good checkpoint is kept.
            ValueError: when ``out`` holds a run that was not resumed.
        """
        end = self.config.steps if until is None else min(until, self.config.steps)
        self._begin()
        started, before = time.perf_counter(), self.seconds
        quiet = not (bar and self.ranks.first)
        with tqdm(
            total=self.config.steps, initial=self.step_number, disable=quiet, unit="step", mininterval=1
        ) as progress:
            while self.step_number < end:
                self._add(self.step())
                progress.update()
                self.seconds = before + time.perf_counter() - started
                if self.step_number % self.config.log_every == 0 or self.step_number == self.config.steps:
                    record = self._log()
                    progress.set_postfix(L=f"{record['L']:.3g}", acc=f"{record.get('accuracy', 0):.2f}")
                    if callback is not None:
                        callback(record)
                if self.step_number % self.config.checkpoint_every == 0 or self.step_number == end:
                    self._stop_unless_finite()  # a bad checkpoint must never replace a good one
                    self.save()
        return self.history

    def _begin(self) -> None:
        """Take possession of ``out``: what a run without a checkpoint left is cleared away, another run is not touched.

        The settings are written before the first step, so that a folder that takes no file is found at once.

        Raises:
            ValueError: when it holds a checkpoint and ``resume`` was not called.
        """
        if not self._begun:
            self.ranks.on_first(self._clear)
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
        return sorted(times)[len(times) // 2] * (self.config.steps - self.step_number)

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
            self.ranks.on_first(lambda: append_line(history, json.dumps(record)))
        return record

    def _stop_unless_finite(self) -> None:
        """Raise ``TrainingStopped`` when a loss since the last record, or a weight, is infinite or not a number."""
        wrong = not_finite(self._sums) or not_finite(self.net.state_dict())
        if not wrong:
            return
        kept = "There is no checkpoint yet."
        if self.out is not None and self._saved():
            kept = f"The last good checkpoint is {self.out / 'checkpoint.pt'}."
        raise TrainingStopped(
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
            "pids": list(self.pids),
            "data": self.data,
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
        refuse_other(json.loads(state["config"]), self.config)
        if state["pids"] != list(self.pids):
            raise ValueError("the checkpoint was trained on other identities than those of this data set.")
        data = state.get("data", self.data)  # earlier versions did not tell
        if data != self.data:
            raise ValueError(
                f"the checkpoint was trained on other images of these identities: {data} then, {self.data} now. Put "
                "the data back as they were, or choose another folder."
            )

    def save(self) -> None:
        """Write ``checkpoint.pt`` and ``config.json``, each completely or not at all.

        Raises:
            ValueError: when ``out`` holds a run that was not resumed.
        """
        if self.out is None:
            return
        self._begin()
        path = self.out / "checkpoint.pt"
        self.ranks.on_first(lambda: write_atomically(path, lambda file: torch.save(self.state_dict(), file)))

    def _save_config(self) -> None:
        if self.out is not None:
            path = self.out / "config.json"
            self.ranks.on_first(lambda: write_json(path, self.config.to_dict()))

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
        self.ranks.on_first(self._tidy)
        if not self.ranks.from_first(self._saved()):
            return False
        self.load_state_dict(load_checkpoint(out / "checkpoint.pt"))
        self.history = [r for r in read_history(out) if r["step"] <= self.step_number]
        lines = "".join(json.dumps(r) + "\n" for r in self.history).encode()
        self.ranks.on_first(lambda: write_atomically(out / "history.jsonl", lambda file: file.write(lines)))
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
    """The trained network of a run's folder, ready to be asked, and the settings it was trained with.

    Raises:
        ValueError: when the folder holds no usable checkpoint.
    """
    state = load_checkpoint(Path(out) / "checkpoint.pt", device)
    config = Config.from_dict(json.loads(state["config"]))
    net = build_network(replace(config, weights="none"), len(state["pids"]))
    load_weights_of(net, state)
    return net.to(device, memory_format=torch.channels_last).eval(), config  # type: ignore[call-overload]

