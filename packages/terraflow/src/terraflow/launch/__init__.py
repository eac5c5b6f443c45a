"""Starts of runs: what is checked and estimated before a head is submitted, on a laptop and in the cloud alike."""
