import numpy as np


def over_rates_by_hand(scores):
    rates = [r for r in sorted(scores) if r != 1]
    return sum(sum(scores[r]) / len(scores[r]) for r in rates) / len(rates)


def over_rates_pooled_error(scores):
    dB = np.concatenate([s for r, s in scores.items() if r > 1])
    return -10 * np.log10((10 ** (-dB / 10)).mean())


def error_left(gain):
    return 10 ** (-gain / 10)


def known_share(bands, height, r):
    low, high = bands.T
    return ((height / (2 * r) - low) / (high - low)).clip(0, 1)


def known_share_loop(bands, height, r):
    limit = height / r / 2
    return [max(0, min(high, limit) - low) / (high - low) for low, high in bands]


RIGHT = [
    ("over_rates", lambda scores: np.mean([s.mean() for r, s in scores.items() if r > 1]), over_rates_by_hand),
    ("error_left", error_left, lambda gain: 0.1 ** (gain / 10)),
    ("known_share", known_share, known_share_loop),
    ("agreement", lambda p, q, a, b: ((p > q) == (a < b)).mean()),
    ("agreement", lambda p, q, a, b: (np.sign(p - q) == np.sign(b - a)).sum() / len(p)),
]
WRONG = [
    ("over_rates", lambda s: np.mean([v.mean() for v in s.values()]), "r = 1 is in the mean"),
    ("over_rates", lambda s: np.concatenate([v for r, v in s.items() if r > 1]).mean(), "at each rate first"),
    ("over_rates", lambda s: np.concatenate(list(s.values())).mean(), "those of r = 1 too"),
    ("over_rates", lambda s: sum(v.mean() for r, v in s.items() if r > 1), "a sum over the rates"),
    ("over_rates", lambda s: sum(v.mean() for r, v in s.items() if r > 1) / len(s), "rates that are left"),
    ("over_rates", over_rates_pooled_error, "the mean of the decibels"),
    ("over_rates", lambda s: np.mean([v.mean() for r, v in s.items() if r >= 2]), "r = 1.5 is above 1"),
    ("error_left", lambda gain: 10 ** (gain / 10), "sign is turned"),
    ("error_left", lambda gain: 10 ** (-gain / 20), "not by 20"),
    ("error_left", lambda gain: 1 - error_left(gain), "the share that is gone"),
    ("error_left", lambda gain: 100 * error_left(gain), "per cent"),
    ("error_left", lambda gain: np.exp(-gain / 10), "not exp"),
    ("error_left", lambda gain: 1 - gain / 100, "no per cent"),
    ("known_share", lambda b, h, r: known_share(b, 2 * h, r), "one pixel a cycle"),
    ("known_share", lambda b, h, r: 1 - known_share(b, h, r), "turned round"),
    ("known_share", lambda b, h, r: (h / (2 * r) - b[:, 0]) / (b[:, 1] - b[:, 0]), "cut them off"),
    ("known_share", lambda b, h, r: (b[:, 1] <= h / (2 * r)).astype(float), "yes or no"),
    ("known_share", lambda b, h, r: (b[:, 0] < h / (2 * r)).astype(float), "yes or no"),
    ("known_share", lambda b, h, r: (h / (2 * r) / b[:, 1]).clip(0, 1), "begins at its lower end"),
    ("agreement", lambda p, q, a, b: ((p > q) == (a > b)).mean(), "less is better"),
    ("agreement", lambda p, q, a, b: (p > q).mean(), "LPIPS was not asked"),
    ("agreement", lambda p, q, a, b: (a < b).mean(), "PSNR was not asked"),
    ("agreement", lambda p, q, a, b: ((p > q) & (a < b)).mean(), "both preferring b"),
    ("agreement", lambda p, q, a, b: (p.mean() > q.mean()) == (a.mean() < b.mean()), "image by image"),
    ("agreement", lambda p, q, a, b: ((p > q) == (a < b)).sum(), "a number of images"),
]
