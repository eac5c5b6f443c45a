"""Runs as people see them: which there are, how they do, what they said, and how to end them."""
