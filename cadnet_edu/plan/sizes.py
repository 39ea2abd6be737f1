"""How large the training parts of the data sets are, from what was published: nothing need be on the disk."""

from __future__ import annotations

from dataclasses import dataclass

from cadnet_edu.config import Config
from cadnet_edu.data.checks import PUBLISHED, PUBLISHED_BY_BOXES
from cadnet_edu.data.walkers import SIZES
from cadnet_edu.runs import open_split


@dataclass(frozen=True)
class Size:
    """A training part.

    Args:
        images: how many.
        identities: of how many people.
        source: how that is known.
    """

    images: int
    identities: int
    source: str


def training_size(config: Config) -> Size:
    """How much a configuration trains on.

    Raises:
        ValueError: for a folder of one's own images that is not given.

    >>> training_size(Config(dataset="market1501"))
    Size(images=12936, identities=751, source='as published')
    """
    name = config.dataset
    if name == "own" or (config.root is not None and config.root.exists()):
        split = open_split(config)
        return Size(len(split.train), len({s.pid for s in split.train}), f"as found in {config.root}")
    if name == "walkers":
        size = SIZES[config.size]
        market = PUBLISHED["market1501"]["train images"]  # as many has the largest set
        images = size.train * size.cameras * size.shots or market
        return Size(images, size.train, "as drawn")
    published = PUBLISHED[name]
    identities = published["train identities"]
    if name == "cuhk03":  # a test set takes 100 people with all their images
        people, images = identities + published["query identities"], PUBLISHED_BY_BOXES[config.boxes]["images"]
        return Size(images * identities // people, identities, "about, as published")
    return Size(published["train images"], identities, "as published")
