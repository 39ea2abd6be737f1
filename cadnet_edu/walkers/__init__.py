"""Draw one pedestrian: people, clothes, streets and poses. The data set made of them is ``cadnet_edu.data.walkers``."""
