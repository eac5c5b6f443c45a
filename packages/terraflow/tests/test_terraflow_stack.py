"""terraflow's own state: the deployed stack's outputs, the profile's place, and its command line."""

import json
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from terraflow import checks, cli, deploy, profile, stack
from terraflow.errors import UserError
from terraflow.stack import Stack

TEXTS = [field.name for field in fields(Stack) if field.type is str]
OUTPUTS = {field.name: f"the {field.name}" if field.name in TEXTS else {"a": "b"} for field in fields(Stack)}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the deployed stack is looked for."""
    file = tmp_path / "deep" / "stack.json"
    monkeypatch.setenv("TERRAFLOW_STACK", str(file))
    return file


def test_what_is_kept_is_what_is_read(kept: Path) -> None:
    assert stack.save(OUTPUTS | {"later": "than this version"}) == kept
    assert asdict(stack.deployed()) == OUTPUTS
    assert [path.name for path in kept.parent.iterdir()] == ["stack.json"]


def test_no_stack_names_the_command(kept: Path) -> None:
    with pytest.raises(UserError, match=r"no deployed stack: .*stack\.json is missing\. `make deploy` makes one"):
        stack.deployed()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"can't be read \(.*`make deploy`"),
        ("[]", r"is not whole: it lacks region, account_id, "),
        (json.dumps({key: value for key, value in OUTPUTS.items() if key != "queues"}), "it lacks queues. `make dep"),
    ],
)
def test_a_damaged_file_is_told(kept: Path, text: str, words: str) -> None:
    kept.parent.mkdir()
    kept.write_text(text)

    with pytest.raises(UserError, match=words):
        stack.deployed()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration."""
    monkeypatch.setattr(profile, "link", lambda: tmp_path / "config" / "snakemake" / "aws")
    return tmp_path / "config" / "snakemake" / "aws"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """The profile of a checkout."""
    folder = tmp_path / "checkout" / "profiles" / "aws"
    folder.mkdir(parents=True)
    return folder


def test_the_profile_is_linked_and_taken_away(home: Path, ours: Path) -> None:
    assert profile.install(ours) is None
    assert profile.install(ours) is None
    assert home.resolve() == ours

    profile.remove(ours)
    assert not home.is_symlink()


def test_the_link_follows_the_last_deployment(home: Path, ours: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "profiles" / "aws"
    other.mkdir(parents=True)
    profile.install(other)

    assert profile.install(ours) is None
    assert home.resolve() == ours
    profile.remove(other)
    assert home.is_symlink()


def test_a_link_that_leads_nowhere_is_replaced(home: Path, ours: Path, tmp_path: Path) -> None:
    home.parent.mkdir(parents=True)
    home.symlink_to(tmp_path / "gone")

    assert profile.install(ours) is None
    assert home.resolve() == ours


def test_a_profile_of_ones_own_is_left_alone(home: Path, ours: Path) -> None:
    home.mkdir(parents=True)
    (home / "config.yaml").write_text("jobs: 1\n")

    assert "is a profile of your own, and stays" in str(profile.install(ours))
    profile.remove(ours)
    assert (home / "config.yaml").read_text() == "jobs: 1\n"


def test_the_largest_job_is_what_the_profile_lets_a_rule_ask_for(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("__use_yte__: true\nset-threads:\n  a: 2\n  b: 16\nqueue: ?stack.queue\n")
    assert checks.largest_job(file) == 16
    file.write_text("cores: 4\nset-threads:\n  b: 16\n")
    assert checks.largest_job(file) == 4
    file.write_text("jobs: 5\n")
    assert checks.largest_job(file) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"existing_network": None, "head_jobs": False, "network": "private", "zones": 2},
            "about $44 a month for 6 interface endpoints",
        ),
        (
            {"existing_network": None, "head_jobs": True, "network": "private", "zones": 2},
            "about $58 a month for 8 interface endpoints",
        ),
        (
            {"existing_network": None, "head_jobs": True, "network": "private", "zones": 3},
            "about $88 a month for 12 interface endpoints",
        ),
        ({"existing_network": None, "head_jobs": True, "network": "public", "zones": 3}, "nothing but"),
        ({"existing_network": {"vpc_id": "vpc-1"}, "head_jobs": True, "network": "private", "zones": 3}, "nothing but"),
        (
            {"existing_network": None, "head_jobs": True, "network": "public", "zones": 3, "inbox_budget": 20},
            "about $0.46 for looking into the inbox, and what the bucket and the images hold",
        ),
        (
            {"existing_network": None, "head_jobs": True, "network": "private", "zones": 1, "inbox_budget": 20},
            '(network = "public" has none), about $0.46 for looking into the inbox, and what the bucket',
        ),
    ],
)
def test_what_idles_costs(variables: dict[str, object], words: str) -> None:
    assert words in deploy.idle_cost(variables)


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_each_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert f"terraflow {command}" in capsys.readouterr().out.partition("Example:")[2]


def test_a_users_error_is_words_and_an_exit_code(kept: Path) -> None:
    command = [sys.executable, "-m", "terraflow.cli", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'nonsense'" in done.stderr
    assert "Traceback" not in done.stderr


def change(address: str, *actions: str, before: object = None, after: object = None) -> dict[str, object]:
    """A resource's change as `terraform show -json` has it in a plan."""
    kind = address.partition(".")[0]
    return {"address": address, "type": kind, "change": {"actions": list(actions), "before": before, "after": after}}


def environment(*subnets: str, vcpus: int = 4) -> dict[str, object]:
    """A compute environment in these subnets."""
    return {"compute_resources": [{"subnets": list(subnets), "security_group_ids": ["sg-1"], "max_vcpus": vcpus}]}


@pytest.mark.parametrize(
    ("planned", "held"),
    [
        (change("aws_subnet.this[1]", "delete"), True),
        (change("aws_vpc.this[0]", "delete", "create"), True),
        (change("aws_security_group.tasks", "create", "delete"), True),
        (change('aws_batch_job_queue.this["head"]', "delete"), True),
        (change("aws_subnet.this[2]", "create"), False),
        (change('aws_batch_job_definition.this["report"]', "delete", "create"), True),
        (change('aws_batch_job_definition.this["report"]', "update"), False),
        (change("aws_cloudwatch_log_group.jobs", "update"), False),
        (change("aws_batch_compute_environment.this", "update", before=environment("a"), after=environment("b")), True),
        (change("aws_batch_compute_environment.this", "update", before=environment("a"), after={}), True),
        (
            change(
                "aws_batch_compute_environment.this", "update", before=environment("a"), after=environment("a", vcpus=8)
            ),
            False,
        ),
    ],
)
def test_what_tasks_run_on_is_not_taken_away(planned: dict[str, object], held: bool) -> None:
    assert deploy.removed_from_jobs([planned]) == ([planned["address"]] if held else [])
