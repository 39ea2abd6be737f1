"""Training: the objective, the trainer that descends it, checkpoints, several devices."""
