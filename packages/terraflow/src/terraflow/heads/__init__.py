"""Heads: Snakemake as a job of the stack, which conducts one run."""
