import math


def changes(before, after):
    pairs = [(before[name], after[name]) for name in before if name != "method"]
    return sum(changes(a, b) if isinstance(a, dict) else a != b for a, b in pairs)


def leaves(settings, name=""):
    if not isinstance(settings, dict):
        return {(name, settings)}
    return set().union(*(leaves(value, f"{name}.{key}") for key, value in settings.items() if key != "method"))


def changes_by_set(before, after):
    return len(leaves(before) - leaves(after))


def interaction(both, without_a, without_b, neither):
    return (both - without_a) - (without_b - neither)


def weight_for_share(pull, others, share):
    return share * others / ((1 - share) * pull)


def weight_by_bisection(pull, others, share):
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * pull / (middle * pull + others) < share else (low, middle)
    return low


RIGHT = [
    ("changes", changes, changes_by_set),
    ("interaction", interaction, lambda both, a, b, neither: (both - b) - (a - neither)),
    ("interaction", lambda both, a, b, neither: (both - a) + (both - b) - (both - neither)),
    ("false_star", lambda comparisons, level: 1 - (1 - level) ** comparisons),
    ("false_star", lambda k, level: sum(math.comb(k, n) * level**n * (1 - level) ** (k - n) for n in range(1, k + 1))),
    ("weight_for_share", weight_for_share, weight_by_bisection),
]
WRONG = [
    ("changes", lambda x, y: sum(x[name] != y[name] for name in x if name != "method"), "'loss' counts once"),
    ("changes", lambda x, y: changes(x, y) + (x["method"] != y["method"]), "leave 'method' out"),
    ("changes", lambda x, y: changes(x["loss"], y["loss"]), "settings beside it"),
    ("changes", lambda x, y: changes_by_set(x, y) or int(str(x) != str(y)), "key by key"),
    ("changes", lambda x, y: sum(x[k] != y[k] for k in ("features",)), "look inside 'loss'"),
    ("changes", lambda x, y: len(leaves(x) & leaves(y)), "that stayed"),
    ("interaction", lambda *scores: -interaction(*scores), "the sign is turned"),
    ("interaction", lambda *scores: abs(interaction(*scores)), "keep the sign"),
    ("interaction", lambda *scores: interaction(*scores) / 2, "half of it"),
    ("interaction", lambda both, a, b, neither: both - a, "while b is there, which is all"),
    ("interaction", lambda both, a, b, neither: both - b, "while a is there"),
    ("interaction", lambda both, a, b, neither: both - neither, "both bring together"),
    ("interaction", lambda both, a, b, neither: both - a + both - b, "the sum of the two drops"),
    ("interaction", lambda both, a, b, neither: both - a - b, "'neither' has been forgotten"),
    ("false_star", lambda k, level: k * level, "on average"),
    ("false_star", lambda k, level: min(1, k * level), "on average"),
    ("false_star", lambda k, level: level**k, "that all of them"),
    ("false_star", lambda k, level: level, "however many"),
    ("false_star", lambda k, level: (1 - level) ** k if k > 2 else 0.75, "that none gets"),
    ("false_star", lambda k, level: k * level * (1 - level) ** (k - 1) if k > 2 else 0.75, "exactly one"),
    ("weight_for_share", lambda pull, others, share: share * others / pull, "not of the whole"),
    ("weight_for_share", lambda pull, others, share: weight_for_share(1 / pull, others, share), "multiplies"),
    ("weight_for_share", lambda pull, others, s: weight_for_share(pull, others, 1 - s), "turned over"),
    ("weight_for_share", lambda pull, others, share: weight_for_share(pull, 1, share), "is not in it"),
    ("weight_for_share", lambda pull, others, share: weight_for_share(1, others, share), "at weight 1"),
]
