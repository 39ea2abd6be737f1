"""Several processes train as one: the same losses and weights, the same scores, every identity on one rank only."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import TINY
from people import environment, noise_split
from torch import Tensor, nn
from updates import snapshot, update_D, update_G

from cadnet_edu.config import Config, preset
from cadnet_edu.data.samples import Split, load_images
from cadnet_edu.data.sampling import Batch, Batches, micro_batches
from cadnet_edu.evaluation.evaluate import evaluate
from cadnet_edu.evaluation.model import Model
from cadnet_edu.training import distributed
from cadnet_edu.training import trainer as train
from cadnet_edu.training.checkpoints import read_history
from cadnet_edu.training.distributed import DistributedContext, check_divisible, init_distributed, world_size_of
from cadnet_edu.training.trainer import Trainer

CPU = torch.device("cpu")


def small(**changes: Any) -> Config:
    here = dict(steps=8, log_every=1, checkpoint_every=4, device="cpu", precision="fp32")
    return preset("smoke", **{**here, **changes})


# In fp32 one rounding that moves a ReLU across 0 changes gradients by 1e-3, and two runs of one process from weights
# that differ by 1e-7 part within a few steps. So the proof is in double precision; in fp32 it is of the first losses.
ONE_STEP = dict(steps=1)
IN_PARTS = dict(steps=3, accumulate_grad_batches=2, optimizer="sgd", d_batch_size=0)


@contextmanager
def in_double_precision() -> Iterator[None]:
    """Everything that would be computed in float32 is computed in float64."""
    as_it_was, check = torch.Tensor.float, train.check_torch_settings
    train.check_torch_settings = lambda: None  # which would refuse it
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.Tensor.float = as_it_was
        train.check_torch_settings = check


def trainer(config: Config, split: Split, *more: Any) -> Trainer:
    """A trainer whose weights are of the precision that tensors have by default."""
    t = Trainer(config, split, *more)
    t.net.to(torch.get_default_dtype())
    return t


def stripes(x: Tensor) -> Tensor:
    return nn.functional.adaptive_avg_pool2d(x, (8, 1)).flatten(1)


DARKER = Model(lambda x, r: stripes(x), recover=lambda x, r: x * 0.9)


def batchnorm(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A layer, a batch for it, and the gradient of what it makes of it."""
    torch.manual_seed(0)
    x, back = torch.randn(2, 6, *((3, 4, 2) if name == "2d" else (24,)))
    layer = nn.BatchNorm2d(3) if name == "2d" else nn.BatchNorm1d(24)
    nn.init.uniform_(layer.weight)
    return layer, 5 * x + 2, back


def on_each_rank(out: Path) -> None:
    torch.set_num_threads(1)
    split, ranks = noise_split(), init_distributed("cpu", 2)
    found: dict[str, Any] = {"place": (ranks.rank, ranks.world, ranks.is_rank_zero)}
    with in_double_precision():
        trainer(small(), split, out / "run").fit(until=4, bar=False)
        whole = trainer(small(), split, out / "run")  # after a pause in the middle
        found["resumed"] = (whole.resume(), whole.step_number)
        parts = trainer(small(**IN_PARTS), split)
        for name, t in (("whole", whole), ("parts", parts)):
            t.fit(bar=False)
            found[name] = (t.net.state_dict(), t.history)
    single = trainer(small(**ONE_STEP), split)
    single.fit(bar=False)
    found["fp32"] = (single.net.state_dict(), single.history)
    # 5 queries and 15 gallery images, so that neither can be shared out evenly
    found["scores"] = evaluate(stripes, split, (1, 3), size=(32, 16), batch_size=3, ranks=ranks)
    found["own"] = evaluate(DARKER, split, "own", size=(32, 16), ranks=ranks)
    found["few"] = ranks.all_gather_rows(torch.tensor([[1.0, 2.0]])[ranks.rank_slice(1)], 1)  # fewer rows than ranks
    for name in ("2d", "1d"):  # BatchNorm of the whole batch, forwards and backwards
        layer, x, back = batchnorm(name)
        net = nn.Sequential(layer)
        ranks.join_batchnorm(net)
        mine = x.chunk(2)[ranks.rank].clone().requires_grad_()
        y = net(mine)
        y.backward(back.chunk(2)[ranks.rank])
        found["bn " + name] = (y.detach(), mine.grad, net[0].weight.grad, net.eval()(mine).detach(), net.state_dict())
    try:  # what goes wrong on the first rank is raised on both
        ranks.on_rank_zero(lambda: (out / "gone" / "x").read_bytes())
    except OSError as error:
        found["told"] = (error.errno, error.filename)
    torch.save(found, out / f"rank{ranks.rank}.pt")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """What two processes found, each for itself, and the folder they worked in."""
    out, tests = tmp_path_factory.mktemp("two"), Path(__file__).parents[1]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    variables = environment(PYTHONPATH=os.pathsep.join(map(str, (tests.parent, tests))))
    done = subprocess.run([*launcher, __file__, str(out)], capture_output=True, text=True, env=variables, timeout=500)
    assert done.returncode == 0, done.stderr
    return out, [torch.load(out / f"rank{rank}.pt", weights_only=False) for rank in (0, 1)]


def largest_difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    differences = [(a[name].double() - b[name].double()).abs() / b[name].double().abs().clamp(min=1) for name in a]
    return max(d.max().item() for d in differences)


def losses(history: list[dict[str, float]]) -> dict[str, Tensor]:
    names = history[0].keys() - {"seconds"}
    return {name: torch.tensor([record[name] for record in history], dtype=torch.float64) for name in names}


Two = tuple[Path, list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("name", "changes", "steps", "double"),
    [("whole", {}, 8, True), ("parts", IN_PARTS, 3, True), ("fp32", ONE_STEP, 1, False)],
    ids=["eight steps in double precision", "in parts", "a step in fp32"],
)
def test_two_processes_learn_what_one_learns(
    two: Two, name: str, changes: dict[str, Any], steps: int, double: bool
) -> None:
    """Every loss of every step, and the weights at the end; the first also stops in the middle and goes on."""
    with in_double_precision() if double else nullcontext():
        one = trainer(small(**changes), noise_split())
        before = snapshot(one.net)
        one.fit(bar=False)
    assert largest_difference(one.net.state_dict(), before) > 1e-4
    (net, history), (twin, twin_history) = (found[name] for found in two[1])
    assert len(history) == steps
    assert largest_difference(losses(history), losses(one.history)) < 1e-5
    assert not double or largest_difference(net, one.net.state_dict()) < 1e-5
    assert largest_difference(net, twin) == 0  # while the two hold the very same weights
    assert largest_difference(losses(history), losses(twin_history)) == 0
    assert [found["resumed"] for found in two[1]] == [(True, 4)] * 2


def test_one_process_goes_on_where_two_stopped(two: Two, tmp_path: Path) -> None:
    assert sorted(p.name for p in (two[0] / "run").iterdir()) == ["checkpoint.pt", "config.json", "history.jsonl"]
    assert [r["step"] for r in read_history(two[0] / "run")] == list(range(1, 9))
    shutil.copytree(two[0] / "run", tmp_path / "run")
    alone = Trainer(small(devices="auto"), noise_split(), tmp_path / "run")
    assert alone.resume()
    assert alone.step_number == 8
    with in_double_precision():  # in which random numbers are others
        batches = Trainer(small(), noise_split()).batches
        for _ in range(8):
            next(batches)
        assert torch.equal(next(alone.batches).x_L, next(batches).x_L)  # and the next images are those of one process


def test_two_processes_score_what_one_scores(two: Two) -> None:
    scores = evaluate(stripes, noise_split(), (1, 3), size=(32, 16), batch_size=3)
    own = evaluate(DARKER, noise_split(), "own", size=(32, 16))
    for found in two[1]:
        for mine, theirs in ((found["scores"], scores), (found["own"], own)):
            assert mine.keys() == theirs.keys()
            for rate in mine:
                assert mine[rate].keys() == theirs[rate].keys()
                for name, value in theirs[rate].items():  # no PSNR where there is no difference
                    assert mine[rate][name] == (None if value is None else pytest.approx(value, rel=1e-6))
        assert found["few"].tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["2d", "1d"])
def test_batchnorm_is_that_of_the_whole_batch(two: Two, name: str) -> None:
    layer, x, back = batchnorm(name)
    y = layer(x.requires_grad_())
    y.backward(back)
    found = [f["bn " + name] for f in two[1]]
    torch.testing.assert_close(torch.cat([f[0] for f in found]), y)
    torch.testing.assert_close(torch.cat([f[1] for f in found]), x.grad, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found[0][2] + found[1][2], layer.weight.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.cat([f[3] for f in found]), layer.eval()(x))
    for f in found:
        torch.testing.assert_close(f[4], {f"0.{k}": v for k, v in layer.state_dict().items()})


def test_each_process_knows_its_place_and_what_goes_wrong_on_the_first_is_raised_on_both(two: Two) -> None:
    assert [found["place"] for found in two[1]] == [(0, 2, True), (1, 2, False)]
    assert [found["told"] for found in two[1]] == [(2, str(two[0] / "gone" / "x"))] * 2


@pytest.mark.slow
def test_devices_2_starts_the_second_process_itself(market: Path, tmp_path: Path) -> None:
    def run(*command: Any) -> subprocess.CompletedProcess[str]:
        launch = [sys.executable, "-m", "cadnet_edu", *map(str, command)]
        return subprocess.run(launch, capture_output=True, text=True, env=environment(), cwd=tmp_path, timeout=500)

    done = run("train", *TINY, "--dataset", "market1501", "--devices", 2, "--root", market, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "on 2 x cpu in fp32" in done.stderr
    assert done.stderr.count("trained 4 steps in") == 1  # one process prints
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["devices"] == about["config"]["run"]["devices"] == 2
    scores = []
    for devices in (1, 2):
        done = run("evaluate", "run", "--device", "cpu", "--devices", devices, "--json", "--rates", "2")
        assert done.returncode == 0, done.stderr
        scores.append(json.loads(done.stdout)["rates"]["2"])  # one document, from one process
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def make_batch(identities: int, images: int) -> Batch:
    split = noise_split()
    return next(Batches(load_images(split.train, 32, 16), [s.pid for s in split.train], identities, images))


@pytest.mark.parametrize("n", [1, 3, 6])
def test_parts_are_the_batch_again(n: int) -> None:
    batch = make_batch(6, 3)
    pieces = micro_batches(batch, n, images=3)
    assert len(pieces) == n
    for field in Batch._fields:
        found = torch.stack([getattr(piece, field).unflatten(0, (-1, 3)) for piece in pieces], dim=1)
        assert torch.equal(found.flatten(0, 2), getattr(batch, field))
    for y in ("y_H", "y_L"):
        people = [set(getattr(piece, y).tolist()) for piece in pieces]
        assert [len(p) for p in people] == [6 // n] * n
        assert len(set.union(*people)) == 6


def test_a_step_in_parts_is_the_mean_of_steps_on_each(tiny_split: Split) -> None:
    """With plain gradient descent, for both optimizers; the last part faces discriminators that have stepped."""
    with in_double_precision():
        plain = dict(optimizer="sgd", momentum=0, weight_decay=0, lr=0.1, lr_D=0.1, warmup_steps=0, d_batch_size=0)
        whole, each = (trainer(small(accumulate_grad_batches=n, **plain), tiny_split) for n in (2, 1))

        def displacement(t: Trainer, before: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: p.detach() - before[name] for name, p in t.net.named_parameters()}

        batch, start = next(whole.batches), snapshot(whole.net)
        record = whole.step(batch)
        moves, records = [], []
        judged = {n: v for n, v in whole.net.state_dict().items() if n.startswith(("D_F.", "D_I."))}
        for part, stepped in zip(whole.micro_batches(batch), ({}, judged), strict=True):
            for judges in (True, False):
                before = start if judges else start | stepped
                each.net.load_state_dict(before)
                each.net.train()
                outs = each.forward(part)
                records.append(update_D(each, part, *outs) if judges else update_G(each, part, *outs))
                moves.append(displacement(each, before))
        for name, moved in displacement(whole, start).items():
            expected = sum(move[name] for move in moves) / 2  # each parameter moves in one of the two halves of a step
            torch.testing.assert_close(moved, expected, atol=1e-9, rtol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
        for name in record:
            values = [r[name] for r in records if name in r]
            assert len(values) == 2
            assert record[name].item() == pytest.approx(sum(v.item() for v in values) / 2, rel=1e-9)


def test_each_rank_and_part_has_identities_of_its_own(tiny_split: Split) -> None:
    config = small(num_identities=6, num_instances=2, accumulate_grad_batches=3, d_batch_size=0)
    one = Trainer(config, tiny_split)
    batch = next(one.batches)
    whole = [part.y_H.tolist() for part in one.micro_batches(batch)]
    one.ranks = DistributedContext(CPU, 0, 2)
    first = [part.y_H.tolist() for part in one.micro_batches(batch)]
    one.ranks = DistributedContext(CPU, 1, 2)
    second = [part.y_H.tolist() for part in one.micro_batches(batch)]
    assert [a + b for a, b in zip(first, second, strict=True)] == whole  # part by part what one device takes
    assert len({tuple(y) for y in first + second}) == 6


def test_images_without_labels_are_shared_out_too() -> None:
    x, y = torch.arange(8.0).view(8, 1, 1, 1), torch.tensor([3, 3, 7, 7])
    pieces = micro_batches(Batch(x, y, x, x, y, torch.ones(8)), 2, images=2)
    assert [piece.y_L.tolist() for piece in pieces] == [[3, 3], [7, 7]]
    assert [piece.x_L.flatten().tolist() for piece in pieces] == [[0, 1, 4, 6], [2, 3, 5, 7]]


def test_D_I_sees_the_same_images_however_a_batch_is_taken(tiny_split: Split) -> None:
    """The first ones of a batch are shared out among the first ones of its parts."""
    config = small(d_batch_size=8)
    batch = next(Trainer(config, tiny_split).batches)
    for accumulate in (1, 2):
        t = Trainer(config.replace(accumulate_grad_batches=accumulate), tiny_split)
        seen = torch.cat([part.x_H[: t.loss.d_batch_size] for part in t.micro_batches(batch)])
        assert torch.equal(seen.flatten(1).sum(1).sort()[0], batch.x_H[:8].flatten(1).sum(1).sort()[0])


def test_scaled_gradients_make_the_same_steps(tiny_split: Split) -> None:
    """A power of two changes no digit, but for the smallest of numbers."""
    plain, scaled = (Trainer(small(steps=2, accumulate_grad_batches=2), tiny_split) for _ in range(2))
    scaled.scaler_G, scaled.scaler_D = torch.amp.GradScaler("cpu"), torch.amp.GradScaler("cpu")
    for t in (plain, scaled):
        t.fit(bar=False)
    assert scaled.scaler_G.get_scale() == 2**16
    assert largest_difference(plain.net.state_dict(), scaled.net.state_dict()) < 1e-6
    assert largest_difference(losses(plain.history), losses(scaled.history)) < 1e-5


def test_an_overflow_costs_one_step_of_one_optimiser_only(tiny_split: Split) -> None:
    t = Trainer(small(accumulate_grad_batches=2, optimizer="sgd", momentum=0, weight_decay=0, lr=0.5), tiny_split)
    t.scaler_G, t.scaler_D = torch.amp.GradScaler("cpu"), torch.amp.GradScaler("cpu")
    weights = {"G": t.net.C.fc.weight, "D": next(p for n, p in t.net.named_parameters() if n.startswith("D_F."))}
    before = {name: w.detach().clone() for name, w in weights.items()}
    for last in (False, True):
        t.update(t.opt_D, weights["D"].sum() * 1e38, last)  # times the scale, that is infinite
        t.update(t.opt_G, weights["G"].sum(), last)  # its last part comes after the other's scale has changed
    assert torch.equal(weights["D"], before["D"])
    torch.testing.assert_close(weights["G"], before["G"] - 0.5)
    assert (t.scaler_D.get_scale(), t.scaler_G.get_scale()) == (2**15, 2**16)


def test_the_scales_are_kept_in_the_checkpoint(tiny_split: Split, tmp_path: Path) -> None:
    first, second = (Trainer(small(steps=2), tiny_split, tmp_path) for _ in range(2))
    for t in (first, second):
        t.scaler_G, t.scaler_D = torch.amp.GradScaler("cpu", init_scale=1024), torch.amp.GradScaler("cpu")
    first.fit(bar=False)
    second.scaler_G = torch.amp.GradScaler("cpu")
    assert second.resume()
    assert (second.scaler_G.get_scale(), second.scaler_D.get_scale()) == (1024, 65536)
    third = Trainer(small(steps=2), tiny_split, tmp_path)  # in fp32, which has no scale
    assert third.resume()


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [__file__])  # a program that can be started again
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(distributed, "choose_device", torch.device)  # as if this machine had them
    for device, n, there in (("cuda", 4, 2), ("mps", 2, 1)):
        with pytest.raises(ValueError, match=rf"devices = {n}, but this machine has {there} of type {device}: ask for"):
            init_distributed(device, n)
    with pytest.raises(ValueError, match=r"device 'cuda:1' is a single one: with several devices, give 'cuda'"):
        init_distributed("cuda:1", 2)
    assert world_size_of("cuda", "auto") == 2


def test_where_no_process_can_be_started_another_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as notebook:
        notebook.setattr(sys, "ps1", "In : ", raising=False)
        with pytest.raises(
            ValueError, match=r"a notebook cannot start other processes.*--devices 2 in a cell of its own"
        ):
            init_distributed("cpu", 2)
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(ValueError, match=r"srun has started this program several times.*--ntasks-per-node 1"):
        init_distributed("cpu", 2)


def test_a_program_that_cannot_be_started_again_is_told() -> None:
    code = "from cadnet_edu.training.distributed import init_distributed; init_distributed('cpu', 2)"
    for given in (dict(args=[sys.executable, "-c", code]), dict(args=[sys.executable], input=code)):
        run = subprocess.run(**given, capture_output=True, text=True, env=environment(), timeout=100, check=False)
        assert "cannot be started again. Put it into a file" in run.stderr


@pytest.mark.slow
def test_what_a_cluster_left_in_the_environment_makes_nobody_wait(tmp_path: Path) -> None:
    left = dict(LOCAL_RANK="1", WORLD_SIZE="4", RANK="3", NODE_RANK="1", MASTER_ADDR="10.255.255.1", MASTER_PORT="9")
    slurm = dict(JOB_ID="1", JOB_NAME="train", NTASKS="4", PROCID="0", LOCALID="0", NODEID="0", NODELIST="localhost")
    variables = environment(**left, **{f"SLURM_{name}": value for name, value in slurm.items()})
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom cadnet_edu.training.distributed import init_distributed\nr = init_distributed('cpu', 2)\n"
        "os.write(1, f'{r.rank} {r.world}\\n'.encode())\n"  # each line whole
    )
    command = [sys.executable, str(script)]
    run = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    assert sorted(run.stdout.split("\n")) == ["", "0 2", "1 2"]


def test_torchrun_s_numbers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert init_distributed("cpu") == init_distributed("cpu", "auto") == DistributedContext(CPU, 0, 1, None)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}.items():
        monkeypatch.setenv(name, value)
    for given in (1, 2, "auto"):
        assert world_size_of("cpu", given) == 6  # three machines with two each
    with pytest.raises(ValueError, match=r"devices = 4, but torchrun has started 2 .*--nproc-per-node 4"):
        init_distributed("cpu", 4)


def test_identities_that_cannot_be_shared_out(tiny_split: Split) -> None:
    with pytest.raises(ValueError, match=r"identities = 4 cannot be shared out evenly over 3 devices"):
        Trainer(small(devices=3), tiny_split)  # before a process is started
    config = small(num_identities=6, accumulate_grad_batches=3, d_batch_size=0)
    with pytest.raises(ValueError, match=r"identities = 6 .* 4 devices x 3 parts .*a multiple of 12, such as 12"):
        check_divisible(config, 4)
    config = small(num_identities=12, d_batch_size=8, unlabelled_batch_size=9)
    assert check_divisible(config, 1) is None
    with pytest.raises(ValueError, match=r"unlabelled_batch_size = 9 .* 2 devices x 1 parts"):
        check_divisible(config, 2)
    with pytest.raises(ValueError, match=r"d_batch_size = 8 .* 3 devices"):
        check_divisible(config, 3)


if __name__ == "__main__":
    on_each_rank(Path(sys.argv[1]))
