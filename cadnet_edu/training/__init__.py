"""Training: the objective, the trainer, checkpoints, several devices."""
