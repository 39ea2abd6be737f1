import numpy as np
from sklearn.metrics import silhouette_samples
from sklearn.preprocessing import StandardScaler


def silhouettes(distances, labels, itself=False, alone=0.0, strangers=None, below=max):
    s = np.full(len(labels), alone)
    for i, d in enumerate(distances):
        own = (labels == labels[i]) & ((np.arange(len(d)) != i) | itself)
        if own.any():
            a = d[own].mean()
            others = [labels == k for k in set(labels) - {labels[i]}]
            b = strangers(d[labels != labels[i]]) if strangers else min(d[other].mean() for other in others)
            s[i] = (b - a) / below(a, b)
    if not itself:
        s[[(labels == k).sum() == 1 for k in labels]] = alone
    return s


def deal_out(pids, folds):
    _, number = np.unique(pids, return_inverse=True)
    return number % folds


def deal_out_at_random(pids, folds):
    people = np.random.default_rng(3).permutation(np.unique(pids))
    fold_of = {p: k for k, part in enumerate(np.array_split(people, folds)) for p in part}
    return [fold_of[p] for p in pids]


def standardised(train, test, where=None, spread_of=None, power=1, still=1.0):
    spread = (train if spread_of is None else spread_of).std(0) ** power
    mean = (train if where is None else where).mean(0)
    return (test - mean) / np.where(spread > 0, spread, still)


RIGHT = [
    ("silhouettes", silhouettes, lambda d, labels: silhouette_samples(d, labels, metric="precomputed")),
    ("deal_out", deal_out, deal_out_at_random),
    ("standardised", standardised, lambda train, test: StandardScaler().fit(train).transform(test)),
    ("best_guess", lambda labels: np.unique(labels, return_counts=True)[1].max() / len(labels)),
    ("best_guess", lambda labels: max(list(labels).count(k) for k in set(labels)) / len(labels)),
]
WRONG = [
    ("silhouettes", lambda d, y: silhouettes(d, y, itself=True), "the point itself"),
    ("silhouettes", lambda d, y: silhouettes(d, y, alone=np.nan), "alone in its group"),
    ("silhouettes", lambda d, y: silhouettes(d, y, strangers=np.mean), "over all strangers"),
    ("silhouettes", lambda d, y: silhouettes(d, y, strangers=np.min), "nearest single stranger"),
    ("silhouettes", lambda d, y: -silhouettes(d, y), "the sign is turned"),
    ("silhouettes", lambda d, y: silhouettes(d, y, below=lambda a, b: 1), "between -1 and 1"),
    ("silhouettes", lambda d, y: silhouettes(d, y, below=lambda a, b: a + b), "divided by the sum"),
    ("silhouettes", lambda d, y: silhouettes(d, y, below=lambda a, b: b), "always divided by b"),
    ("silhouettes", lambda d, y: silhouettes(d, y).mean(), "one for each point"),
    ("deal_out", lambda pids, folds: np.arange(len(pids)) % folds, "the images were dealt out"),
    ("deal_out", lambda pids, folds: pids % folds, "deal them out evenly"),
    ("deal_out", lambda pids, folds: pids * 0, "deal them out evenly"),
    ("deal_out", lambda pids, folds: deal_out(pids, folds) + 1, "from 0 to 2"),
    ("deal_out", lambda pids, folds: deal_out(np.unique(pids), folds), "one fold for each"),
    ("standardised", lambda train, test: standardised(test, test), "those of the test"),
    ("standardised", lambda a, b: standardised(np.concatenate([a, b]), b), "those of all"),
    ("standardised", lambda a, b: standardised(a, b, spread_of=b), "take both from the training"),
    ("standardised", lambda a, b: standardised(a, b, power=2), "divided by the variance"),
    ("standardised", lambda a, b: standardised(a, b, where=0 * a), "was not taken away"),
    ("standardised", lambda a, b: standardised(a, b, power=0), "was not divided out"),
    ("standardised", lambda a, b: (b - a.mean()) / a.std(), "each feature has its own"),
    ("standardised", lambda a, b: (b - a.mean(0)) / a.std(0, ddof=1), "n - 1"),
    ("standardised", lambda a, b: standardised(a, a), "these are the training features"),
    ("standardised", lambda a, b: standardised(a, b, still=np.nan), "spread of 0"),
    ("standardised", lambda a, b: standardised(a, b, still=np.inf), "was set to 0"),
    ("best_guess", lambda labels: 1 / len(set(labels)), "each comes equally often"),
    ("best_guess", lambda y: sum(np.mean(y == k) ** 2 for k in set(y)), "in proportion"),
    ("best_guess", lambda y: min(np.mean(y == k) for k in set(y)), "the rarest label"),
    ("best_guess", lambda y: np.unique(y, return_counts=True)[1].max(), "as a share of all"),
    ("best_guess", lambda y: np.bincount(y).argmax(), "the label to say"),
]
