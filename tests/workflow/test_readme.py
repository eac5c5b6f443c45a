"""What README.md shows is what there is."""

import re
import subprocess
import sys

from shared import ROOT

README = (ROOT / "README.md").read_text()


def test_the_picture_shows_the_rules_of_the_workflow() -> None:
    run = subprocess.run([sys.executable, ROOT / "tools/picture.py", "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_every_file_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
