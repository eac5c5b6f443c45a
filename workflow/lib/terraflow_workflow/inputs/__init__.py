"""A user's inputs: the configuration, the sample sheet, and the files that they name."""
