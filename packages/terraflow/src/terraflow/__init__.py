"""Deploys the cloud stack and stages data: what Snakemake has no word for."""
