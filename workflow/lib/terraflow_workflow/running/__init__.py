"""A run as a whole: its lock, its limits, its environment, its report."""
