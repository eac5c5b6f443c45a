"""Receipts: what a run read, made, used and cost, with checksums, as a Workflow Run Crate beside its results."""

from terraflow.receipt.writing import write

__all__ = ["write"]
