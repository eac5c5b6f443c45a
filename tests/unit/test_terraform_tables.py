"""The tables of the stack's variables and outputs agree with the stack's files."""

import re
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest

from shared import ROOT

TOOL = ROOT / "tools/terraform_tables.py"
TERRAFORM = ROOT / "terraform"

VARIABLES = """
variable "stack" {
  description = "Name, <stack> | \\"lab-a\\"."
  type        = string
  default     = "terraflow"
}

variable "image_tag" {
  description = "What to run."
  type        = string
}

variable "sizes" {
  description = "Sizes."
  type        = list(number)
  default     = [20, 50]
}

variable "network" {
  description = "Yours."
  type        = object({ id = string, public = optional(bool, false) })
  default     = null
}

variable "tags" {
  description = "Tags."
  type        = map(string)
  default     = {}
}

variable "force" {
  description = "Destroys."
  type        = bool
  default     = false
}
"""

OUTPUTS = """
output "bucket" {
  description = "Name of the bucket, <stack>."
  value       = 1
}
"""

TABLE = """| variable | type | default | description |
| --- | --- | --- | --- |
| `stack` | `string` | `"terraflow"` | Name, \\<stack> \\| "lab-a". |
| `image_tag` | `string` | required | What to run. |
| `sizes` | `list(number)` | `[20, 50]` | Sizes. |
| `network` | `object({id = string, public = optional(bool, false)})` | `null` | Yours. |
| `tags` | `map(string)` | `{}` | Tags. |
| `force` | `bool` | `false` | Destroys. |
"""

OUTPUT_TABLE = """| output | description |
| --- | --- |
| `bucket` | Name of the bucket, \\<stack>. |
"""

MARKERS = """# Stack
<!-- variables -->
{}<!-- /variables -->
<!-- outputs -->
{}<!-- /outputs -->
End
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "outputs.tf").write_text(OUTPUTS)
    return tmp_path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.md"
    file.write_text(MARKERS.format("old\n", "old\n"))
    return file


def test_the_tables_are_written_between_the_markers(source: Path, page: Path) -> None:
    assert run("--stack", source, page).returncode == 0
    assert page.read_text() == MARKERS.format(TABLE, OUTPUT_TABLE)


def test_variables_of_several_files_are_one_table(source: Path, page: Path) -> None:
    (source / "variables_of_more.tf").write_text('variable "more" {\n  type = string\n  description = "More."\n}\n')
    assert run("--stack", source, page).returncode == 0
    assert page.read_text() == MARKERS.format(f"{TABLE}| `more` | `string` | required | More. |\n", OUTPUT_TABLE)


def test_check_reports_an_outdated_table_and_changes_nothing(source: Path, page: Path) -> None:
    before = page.read_text()
    behind = run("--check", "--stack", source, page)
    assert behind.returncode == 1
    assert "run tools/run.sh python tools/terraform_tables.py" in behind.stderr
    assert page.read_text() == before
    run("--stack", source, page)
    assert run("--check", "--stack", source, page).returncode == 0


@pytest.mark.parametrize("name", ["variables", "outputs"])
def test_a_page_without_markers_is_an_error_that_names_them(source: Path, page: Path, name: str) -> None:
    page.write_text(page.read_text().replace(f"<!-- /{name} -->", ""))
    done = run("--stack", source, page)
    assert done.returncode == 1
    assert f"<!-- {name} -->" in done.stderr and "Traceback" not in done.stderr


def test_a_page_that_is_not_there_is_named(source: Path, tmp_path: Path) -> None:
    done = run("--stack", source, tmp_path / "none.md")
    assert done.returncode == 1
    assert "none.md" in done.stderr and "Traceback" not in done.stderr


def test_a_variable_without_description_is_refused(source: Path, page: Path) -> None:
    (source / "variables.tf").write_text('variable "a" {\n  type = string\n}\n')
    done = run("--stack", source, page)
    assert done.returncode == 1
    assert 'variable "a" has no description' in done.stderr


def test_an_output_without_description_is_refused(source: Path, page: Path) -> None:
    (source / "outputs.tf").write_text('output "b" {\n  value = 1\n}\n')
    done = run("--stack", source, page)
    assert done.returncode == 1
    assert 'output "b" has no description' in done.stderr


def blocks(kind: str) -> dict[str, dict[str, object]]:
    """Blocks of a kind of the real stack, by name."""
    found = {}
    for file in TERRAFORM.glob("*.tf"):
        for block in hcl2.loads(file.read_text()).get(kind, []):
            found |= {name.strip('"'): body for name, body in block.items()}
    return found


def test_the_stack_s_own_tables_can_be_made(page: Path) -> None:
    assert run(page).returncode == 0
    rows = re.findall(r"^\| `(\w+)` \| `.+` \| (.+?) \| .+ \|$", page.read_text(), re.M)
    assert {name for name, _ in rows} == set(blocks("variable"))
    assert [name for name, default in rows if default == "required"] == ["image_tag"]
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", page.read_text(), re.M)) == set(blocks("output"))


def test_every_variable_but_a_bool_has_a_check_whose_message_names_it() -> None:
    for name, body in blocks("variable").items():
        checks = body.get("validation", [])
        assert isinstance(checks, list)
        assert checks or body["type"] == "bool", name
        assert all(check["error_message"].strip('"').startswith(name) for check in checks), name


def test_every_output_is_described() -> None:
    outputs = blocks("output")
    assert {"bucket", "queues", "job_definitions", "submit_policy_arn"} <= set(outputs)
    assert [name for name, body in outputs.items() if not body.get("description")] == []


def test_the_example_sets_variables_that_exist_to_their_defaults_unless_it_says_so() -> None:
    text = (TERRAFORM / "terraform.tfvars.example").read_text()
    stack = blocks("variable")
    shown = re.findall(r"^#? ?(\w+) += (.+?)(?: +# (for example).*)?$", text, re.M)
    assert len(shown) > 8
    values = hcl2.loads(text)
    for name, _, example in shown:
        assert name in stack
        if not example and name in values:
            assert values[name] == stack[name]["default"], name
