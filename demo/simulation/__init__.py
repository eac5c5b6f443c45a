"""A small sequencing data set whose variants are known: how each part of it is made.

A `plan` says what the data set holds. `genome` draws the reference with its genes and repeats, `variants` plants the
variants, `reads` sequences each lane, and `files` writes everything in the formats that the workflow reads. Each part
has a random number generator of its own, so that the same seed gives the same bytes.

Coordinates are 0-based and half-open; the files follow their own conventions (1-based in GFF3 and VCF).
"""


class SimulationError(Exception):
    """The data set cannot be made; the text says why."""
