"""Training: the Lightning task, its callbacks, and the function that fits a model into a run folder."""
