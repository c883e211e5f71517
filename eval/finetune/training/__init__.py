"""Parts that all trainings share: the run folder, the loss curve and the trainer's arguments."""
