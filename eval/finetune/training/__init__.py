"""What every training shares: the run folder, the loss curve and the trainer's arguments."""
