"""Real reads with known variants. They are GIAB's and the 1000 Genomes Project's, and no part of this project."""

import os
from pathlib import Path

import pytest

_NAMED = os.environ.get("TERRAFLOW_TRUTH_DATA", "")
FOLDER = Path(_NAMED).resolve()
GIAB = FOLDER / "giab_na12878"

needed = pytest.mark.skipif(
    not _NAMED,
    reason="needs real reads: name their folder, with giab_na12878/ and mtdna/, in TERRAFLOW_TRUTH_DATA",
)
