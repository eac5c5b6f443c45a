"""What runs in the container of Airflow's image: its secrets, their files, and its health."""

import configparser
import http.server
import json
import os
import stat
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow_service import health, keys, login, start
from moto import mock_aws

NAMES = {"fernet_key", "jwt_secret", "secret_key", "password"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


# ---- keys --------------------------------------------------------------------------------------------------------


def test_an_empty_secret_is_filled_once(client: Any) -> None:
    arn = client.create_secret(Name="keys")["ARN"]
    values = keys.ensure(client, arn)
    assert values.keys() == NAMES
    assert len(urlsafe_b64decode(values["fernet_key"])) == 32
    assert len(values["jwt_secret"]) >= 64
    assert len(set(values.values())) == 4
    assert keys.ensure(client, arn) == values
    assert len(client.list_secret_version_ids(SecretId=arn)["Versions"]) == 1


def test_what_a_later_version_needs_is_added_and_the_rest_stays(client: Any) -> None:
    arn = client.create_secret(Name="keys", SecretString='{"fernet_key": "old", "password": "mine", "other": 1}')["ARN"]
    values = keys.ensure(client, arn)
    assert (values["fernet_key"], values["password"], values["other"]) == ("old", "mine", 1)
    assert json.loads(client.get_secret_value(SecretId=arn)["SecretString"]) == values
    assert values.keys() > NAMES


@pytest.mark.parametrize("text", ["hush", "[]", '{"password": 7}'])
def test_another_content_is_refused_without_being_told(client: Any, text: str) -> None:
    arn = client.create_secret(Name="keys", SecretString=text)["ARN"]
    with pytest.raises(ValueError, match="something else than Airflow's keys") as error:
        keys.ensure(client, arn)
    assert text not in str(error.value)


def test_a_secret_that_is_missing_is_not_made(client: Any) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        keys.ensure(client, "nowhere")


# ---- the database's login ----------------------------------------------------------------------------------------


def test_characters_with_a_meaning_are_escaped() -> None:
    assert login.line(r'{"username": "air:flow", "password": "a\\b:c"}') == "*:*:*:air\\:flow:a\\\\b\\:c\n"


@pytest.mark.parametrize("text", ["hush", '"hush"', '{"username": "hush"}', '{"username": "hush", "password": 1}'])
def test_another_login_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError, match="not what RDS writes") as error:
        login.line(text)
    assert "hush" not in str(error.value)


def test_a_changed_password_is_brought_once(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    arn = client.create_secret(Name="db", SecretString='{"username": "airflow", "password": "one"}')["ARN"]
    assert login.refresh(client, arn, file)
    assert not login.refresh(client, arn, file)
    client.put_secret_value(SecretId=arn, SecretString='{"username": "airflow", "password": "two"}')
    assert login.refresh(client, arn, file)
    assert file.read_text() == "*:*:*:airflow:two\n"
    # The drivers ignore a file that others may read.
    assert mode(file) == 0o600


# ---- start -------------------------------------------------------------------------------------------------------


def test_secrets_stand_in_files_of_the_user_alone(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ours = client.create_secret(Name="keys")["ARN"]
    database = client.create_secret(Name="db", SecretString='{"username": "airflow", "password": "hush"}')["ARN"]
    monkeypatch.setenv("TERRAFLOW_AIRFLOW_SECRET", ours)
    monkeypatch.setenv("TERRAFLOW_DATABASE_SECRET", database)
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(tmp_path / "passwords.json"))
    before = dict(os.environ)
    start.prepare(tmp_path, tmp_path / "pgpass")
    values = json.loads(client.get_secret_value(SecretId=ours)["SecretString"])
    config = configparser.RawConfigParser()
    config.read(tmp_path / "airflow.cfg")
    assert config["core"]["fernet_key"] == values["fernet_key"]
    assert config["api"]["secret_key"] == values["secret_key"]
    assert config["api_auth"]["jwt_secret"] == values["jwt_secret"]
    assert json.loads((tmp_path / "passwords.json").read_text()) == {"admin": values["password"]}
    assert {file.name: mode(file) for file in tmp_path.iterdir()} == dict.fromkeys(
        ("airflow.cfg", "passwords.json", "pgpass"), 0o600
    )
    told = capfd.readouterr()
    assert not [value for value in (*values.values(), "hush") if value in told.out + told.err]
    assert dict(os.environ) == before


@pytest.mark.parametrize(("inbox", "names"), [(True, ["a.py", "terraflow_inbox.py"]), (False, ["a.py"])])
def test_the_inbox_is_there_only_where_it_is_airflow_s(tmp_path: Path, inbox: bool, names: list[str]) -> None:
    source, folder = tmp_path / "image", tmp_path / "home" / "dags"
    source.mkdir()
    for name in ("a.py", "terraflow_inbox.py"):
        (source / name).write_text("")
    start.bring_dags(folder, source, inbox=not inbox)
    start.bring_dags(folder, source, inbox=inbox)
    assert sorted(file.name for file in folder.iterdir()) == names


def test_it_becomes_the_supervisor_and_waiting_sheets_leave_slots_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict.fromkeys(start.NEEDED, "x") | {"TERRAFLOW_AIRFLOW_HEADS": "3", "TERRAFLOW_AIRFLOW_INBOX": "false"}
    folders = {"AIRFLOW_HOME": str(tmp_path), "PGPASSFILE": "x", "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path)}
    for name, value in (given | folders).items():
        monkeypatch.setenv(name, value)
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(start, "prepare", lambda *_: None)
    monkeypatch.setattr(start, "bring_dags", lambda *_, **__: None)
    monkeypatch.setattr(start, "airflow", lambda *arguments: called.append(arguments))
    monkeypatch.setattr(os, "execvp", lambda _, arguments: called.append(tuple(arguments)))
    start.main()
    assert called == [
        ("db", "migrate"),
        ("pools", "set", "terraflow", "12", "Runs that are under way or wait", "--include-deferred"),
        ("python", "-m", "airflow_service.supervise", "--procfile", str(start.PROCFILE), "--no-colour", "start"),
    ]


def test_what_the_stack_sets_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in start.NEEDED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match="TERRAFLOW_AIRFLOW_SECRET, TERRAFLOW_DATABASE_SECRET: missing"):
        start.main()


def test_a_failed_migration_ends_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "airflow"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="airflow db migrate ended with exit code 3"):
        start.airflow("db", "migrate")


def test_the_page_comes_first_and_all_parts_are_there() -> None:
    parts = dict(line.split(": ", 1) for line in start.PROCFILE.read_text().splitlines())
    assert list(parts) == ["api", "login", "scheduler", "dag-processor", "triggerer"]
    for part in ("scheduler", "dag-processor", "triggerer"):
        assert parts[part].startswith(f"python -m airflow_service.health --wait 300 && exec airflow {part}")
    # These would listen to the outside, for the sake of pages on other machines.
    assert all(parts[part].endswith(" --skip-serve-logs") for part in ("scheduler", "triggerer"))


# ---- health ------------------------------------------------------------------------------------------------------

WELL = {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "triggerer", "dag_processor")}


@pytest.mark.parametrize(
    ("answer", "bad"),
    [
        (WELL, {}),
        (WELL | {"scheduler": {"status": "unhealthy"}}, {"scheduler": "unhealthy"}),
        # A part that never started has no state.
        (WELL | {"triggerer": {"status": None}}, {"triggerer": None}),
        ({part: WELL[part] for part in WELL if part != "dag_processor"}, {"dag_processor": None}),
    ],
)
def test_each_part_has_to_be_healthy(answer: dict[str, dict[str, object]], bad: dict[str, object]) -> None:
    assert health.unhealthy(answer) == bad


@pytest.fixture
def page() -> Iterator[str]:
    """Serve a page that fails once, then answers; its address."""
    answers = iter([(503, b""), (200, b"{}")])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = next(answers)
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_other_parts_wait_for_the_page(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.time, "sleep", lambda _: None)
    assert health.wait(60, page)


def test_they_do_not_wait_for_ever() -> None:
    assert not health.wait(-1, "http://127.0.0.1:9")
