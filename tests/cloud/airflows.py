"""Airflow as a stack has it: its image, with the task definition's variables and the role's rights, and a PostgreSQL.

One of them serves all tests of a process (fixture `desk` in tests/conftest.py). The workflow that is published for it
has six jobs that sleep and write, and checks the sheet as the project's own does.
"""

import http.client
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import images
import needs
import postgres
from airflow_service import health
from laboratory import Laboratory
from stacks import Deployed, Stack, as_arguments, copy_of_stack

import strict_aws
from shared import ROOT
from strict_aws import Aws
from terraflow import stack as stacks
from terraflow.heads import about as abouts
from terraflow.heads.objects import AboutObject
from terraflow.image import AIRFLOW, AIRFLOW_CONTENT, build, content_tag
from terraflow.launch import publish

NAME = "desk"
SETTINGS = {
    "stack": NAME,
    "network": "public",
    "airflow_image_tag": "1",
    "airflow": {"enabled": True, "inbox": True, "budget": 20},
}
PASSWORD = "cor:rect-horse"
DAGS = len(list((ROOT / "airflow/dags").glob("*.py")))
# Seconds within which whatever is waited for has to come, on a machine that does much else.
PATIENCE = 900
COLUMNS = "sample\tunit\tfq1\tfq2"
SHEET = f"{COLUMNS}\nA\tL1\ta_R1.fastq.gz\ta_R2.fastq.gz\n"
SNAKEFILE = """
include: "rules/package.smk"

from terraflow_workflow.inputs.samples import SheetError, read_sheet
from terraflow_workflow.inputs.settings import Table

try:
    read_sheet(config["samples"])
except SheetError as error:
    raise WorkflowError("Problems in the sample sheet (samples), nothing was run:", *error.problems)
workflow.configfiles.append(Table(config["samples"]))

rule all:
    input: "results/all.txt"

rule make:
    output: "results/{n}.txt"
    resources: mem_mb=1000, runtime=20
    shell: "sleep {config[seconds]}; date +%s%N > {output}"

rule gather:
    input: [f"results/{n}.txt" for n in range(4)]
    output: "results/all.txt"
    resources: mem_mb=1000, runtime=20
    shell: "cat {input} > {output}"
"""
ENDED = ("success", "failed")


def image() -> str:
    """Return Airflow's image; built if the engine does not have it."""
    needs.need_docker()
    return build(ROOT, content_tag(ROOT, AIRFLOW_CONTENT), targets=[AIRFLOW])[AIRFLOW]


@dataclass
class Service:
    """The container with all parts of Airflow, its database, and the values of its secret."""

    image: str
    port: int
    env: dict[str, str]
    database: postgres.Postgres
    container: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start a container with empty volumes, as ECS starts a task, and wait until all parts are healthy."""
        options = ["--detach", "--init", "--read-only", "--network=host", "--memory=2g"]
        options += [f"--env={name}={value}" for name, value in self.env.items()]
        done = subprocess.run(["docker", "run", *options, self.image], capture_output=True, text=True, check=True)
        self.container = done.stdout.strip()
        end = time.monotonic() + PATIENCE
        while not self.is_healthy:
            assert self.state["Running"], self.log
            assert time.monotonic() < end, self.log
            time.sleep(1)

    def kill(self) -> None:
        """Send SIGKILL to every process of it, and remove all that they have left on their disk."""
        subprocess.run(["docker", "rm", "--force", "--volumes", self.container], capture_output=True, check=False)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_healthy(self) -> bool:
        """Whether all parts of Airflow are alive."""
        try:
            return not health.unhealthy(health.ask(f"{self.address}/api/v2/monitor/health"))
        except (OSError, ValueError):
            return False

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the service."""
        done = ["docker", "exec", self.container, *command]
        return subprocess.run(done, capture_output=True, text=True, check=False)

    def seen_by_root(self, script: str) -> str:
        """Return what Python prints as root among the processes; those that watch tasks hide from their own user."""
        options = ["--rm", f"--pid=container:{self.container}", "--network=host", "--user=0", "--cap-add=SYS_PTRACE"]
        command = ["docker", "run", *options, "--entrypoint=python", self.image, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def log(self) -> str:
        """What all parts have said."""
        done = subprocess.run(["docker", "logs", self.container], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    @property
    def state(self) -> dict[str, Any]:
        """What the engine says of the container."""
        done = subprocess.run(["docker", "inspect", self.container], capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout)[0]["State"])


class Desk(Laboratory):
    """A laboratory whose stack has an Airflow."""

    service: Service
    _token = ""

    def __post_init__(self) -> None:
        """Publish the workflow of six jobs."""
        super().__post_init__()
        shutil.rmtree(self.folder / "config")
        (self.folder / "config").mkdir()
        (self.folder / "config/aws.yaml").write_text("seconds: 3\n")
        (self.folder / "workflow/Snakefile").write_text(SNAKEFILE)
        with (self.folder / "profiles/aws/config.yaml").open("a") as profile:
            profile.write("\naws-batch-fargate-poll-seconds: 1\n")
        publish.publish(self.s3, stacks.from_outputs(self.outputs, "the stack"), self.folder)

    # Airflow

    def call(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Call the REST API as the page's user, and return its answer."""
        if not self._token:
            login = {"username": "admin", "password": self.service.values["password"]}
            self._token = self._ask("/auth/token", login)["access_token"]
        return self._ask(f"/api/v2/{path}", body, method)

    def _ask(self, path: str, body: Any, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        request = urllib.request.Request(f"{self.service.address}{path}", data, headers, method=method)
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                raise AssertionError(f"{method or ''} {path}: {error.code} {error.read().decode()}") from None
            except (OSError, http.client.HTTPException):
                # A question can be asked again when a busy machine answers late.
                if request.get_method() != "GET" or time.monotonic() >= limit:
                    raise
                time.sleep(1)

    def order(self, run: str, sheet: str = SHEET, **settings: Any) -> str:
        """Start a run as the form does, and return the id of its DAG run."""
        conf = {"name": run, "sheet": sheet, "settings": settings or None}
        made = self.call("dags/terraflow_run/dagRuns", {"dag_run_id": run, "logical_date": None, "conf": conf})
        return str(made["dag_run_id"])

    def dag_run(self, run: str, dag: str = "terraflow_run") -> dict[str, Any]:
        """Return what Airflow says of a DAG run."""
        return dict(self.call(f"dags/{dag}/dagRuns/{run}"))

    def task(self, run: str, task: str = "run", dag: str = "terraflow_run") -> dict[str, Any]:
        """Return what Airflow says of a task, or of the first of its mapped ones."""
        found = self.call(f"dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return dict(next(one for one in found if one["task_id"] == task))

    def said(self, run: str, task: str = "run", dag: str = "terraflow_run") -> str:
        """Return the log of a task's last try, as the page shows it."""
        found = self.task(run, task, dag)
        if not found["try_number"]:
            return ""
        place = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{found['try_number']}"
        content = self.call(f"{place}?full_content=true&map_index={found['map_index']}")["content"]
        return "\n".join(one if isinstance(one, str) else _shown(one) for one in content)

    def heard(self, run: str, text: str, task: str = "run") -> str:
        """Wait until the log of a task has a text, and return it: what task and trigger say last comes late."""
        self.until(lambda: text in self.said(run, task), run)
        return self.said(run, task)

    def xcom(self, run: str, key: str = "return_value", task: str = "run") -> Any:
        """Return what a task has left."""
        place = f"dags/terraflow_run/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
        return self.call(place)["value"]

    def ended(self, run: str, dag: str = "terraflow_run") -> dict[str, Any]:
        """Wait for the end of a DAG run, and return what Airflow says of it."""
        self.until(lambda: self.dag_run(run, dag)["state"] in ENDED, run, dag)
        return self.dag_run(run, dag)

    def until(self, true: Callable[[], object], run: str = "", dag: str = "terraflow_run") -> None:
        """Wait until a condition is true; the log of the run's task is in the error."""
        limit = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() >= limit:
                raise AssertionError(self.said(run, dag=dag) if run else self.service.log)
            time.sleep(2)

    # AWS

    def of_rule(self, run: str, rule: str) -> list[dict[str, Any]]:
        """Return the jobs of a rule of a run, described; `head` and `launcher` count as rules."""
        return [job for job in self.jobs(run) if job["tags"]["terraflow:rule"] == rule]

    def at_work(self, run: str) -> bool:
        """Return whether the four jobs that sleep do so, and the task waits for the run in the triggerer."""
        running = [job for job in self.of_rule(run, "make") if job["status"] == "RUNNING"]
        return len(running) == 4 and self.task(run)["state"] == "deferred"

    def about(self, run: str) -> abouts.About:
        """Return what run.json says."""
        found = AboutObject(self.s3, self.bucket, run).read()
        assert found is not None
        return found.about

    def lines(self, run: str) -> list[str]:
        """Return the lines of the run's result: when each of the four jobs was at its end."""
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=f"runs/{run}/results/all.txt")["Body"].read()
        return body.decode().splitlines()

    def ran_once(self, run: str) -> None:
        """Assert that one head has conducted the run to its end, and that each job ran once."""
        [head] = self.of_rule(run, "head")
        ran = [head, *self.of_rule(run, "make"), *self.of_rule(run, "gather")]
        assert [(job["status"], len(job["attempts"])) for job in ran] == [("SUCCEEDED", 1)] * 6
        about = self.about(run)
        assert (about.state, about.head_job, about.budget) == (abouts.DONE, head["jobId"], 20), about
        assert len(set(self.lines(run))) == 4


def _shown(line: dict[str, Any]) -> str:
    """Return a line of a log, followed by the exceptions that the page shows below it."""
    return "\n".join([line["event"], *(str(one["exc_value"]) for one in line.get("error_detail") or ())])


def environment(aws: Aws, outputs: dict[str, Any], database: postgres.Postgres, port: int) -> dict[str, str]:
    """Return what the applied task definition sets, with this database, this port, and the role's credentials."""
    family = outputs["airflow"]["cluster"]
    defined = aws.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]
    [container] = defined["containerDefinitions"]
    given = {one["name"]: one["value"] for one in container["environment"]}
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"):
        given[name] = re.sub(r"@[^/]*/", f"@127.0.0.1:{database.port}/", given[name])
    # RDS has made this secret with a password of its own.
    login = json.dumps({"username": "airflow", "password": PASSWORD})
    aws.client("secretsmanager").put_secret_value(SecretId=given["TERRAFLOW_DATABASE_SECRET"], SecretString=login)
    role = aws.env_of(defined["taskRoleArn"])
    return {
        **given,
        **{name: value for name, value in role.items() if name.startswith("AWS_") and "FILE" not in name},
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
    }


def _applied(aws: Aws, folder: Path) -> Deployed:
    stack: Stack = copy_of_stack(folder / "terraform", aws)
    done = stack.terraform("apply", "-auto-approve", "-no-color", *as_arguments(SETTINGS))
    outputs = stack.outputs
    (folder / "stack.json").write_text(json.dumps(outputs))
    return Deployed(stack, outputs, folder / "stack.json", done.stdout)


@contextmanager
def running(folder: Path) -> Iterator[Desk]:
    """Apply a stack with Airflow in an AWS of its own, and run Airflow for the length of a `with`."""
    needs.need_docker()
    needs.need_terraform()
    needs.need_postgres()
    with (
        strict_aws.running(folder / "aws.log") as aws,
        postgres.running(PASSWORD) as database,
        ThreadPoolExecutor() as pool,
    ):
        aws.set(stop_seconds=30, containers=12, fargate_spot_vcpus=16, fargate_ondemand_vcpus=16)
        # Applying waits for the database most of the time.
        built = pool.submit(lambda: (image(), images.images()))
        deployed = _applied(aws, folder)
        built.result()
        (folder / "project").mkdir()
        desk = Desk(aws, deployed, folder / "project")
        port = postgres.free_port()
        service = Service(image(), port, environment(aws, desk.outputs, database, port), database)
        desk.service = service
        try:
            service.start()
            secret = aws.client("secretsmanager").get_secret_value(SecretId=service.env["TERRAFLOW_AIRFLOW_SECRET"])
            service.values = json.loads(secret["SecretString"])
            # Parts are healthy before the DAGs are read.
            desk.until(lambda: desk.call("dags")["total_entries"] == DAGS)
            yield desk
        finally:
            service.kill()
            desk.close()
            subprocess.run(["docker", "rmi", *desk.outputs["images"].values()], capture_output=True, check=False)
