"""Fixtures of several files."""

from pathlib import Path

import pytest
from setup_box import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Return a copy of the set-up with a PATH of stand-ins."""
    return Box(tmp_path)
