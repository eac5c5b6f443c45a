"""The command of a worker that starts Python once."""

import pytest

from snakemake_executor_plugin_aws_batch_fargate.worker import MODULE, in_one_start

SOURCES = f"s3://bucket/runs/main/snakemake-workflow-sources.tar.xz {'0123456789abcdef' * 4}"
STORAGE = "--default-storage-prefix 's3://bucket/runs/a && b' --default-storage-provider 's3-inventory'"
JOB = f"--snakefile 'workflow/Snakefile' --target-jobs 'a:b=1' {STORAGE} --mode 'remote'"
STOCK = f"python -m snakemake --deploy-sources {SOURCES} {STORAGE} && python -m snakemake {JOB}"


def test_two_starts_become_one() -> None:
    assert in_one_start(STOCK) == f"python -m {MODULE} {SOURCES} {JOB}"


def test_what_stands_before_and_after_stays() -> None:
    made = in_one_start(f"export A='b' && ulimit -c 0 && {STOCK} && echo done")
    assert made == f"export A='b' && ulimit -c 0 && python -m {MODULE} {SOURCES} {JOB} && echo done"


def test_the_python_is_the_one_of_the_command() -> None:
    made = in_one_start(STOCK.replace("python ", "/opt/terraflow/bin/python3 "))
    assert made == f"/opt/terraflow/bin/python3 -m {MODULE} {SOURCES} {JOB}"


@pytest.mark.parametrize(
    "command",
    [
        f"python -m snakemake {JOB}",
        STOCK.replace("&& python -m snakemake --snakefile", "&& python3 -m snakemake --snakefile"),
        STOCK.replace("--deploy-sources", "--fetch-sources"),
        STOCK.replace("0123456789abcdef", "sha512:89abcdef0"),
    ],
    ids=["no sources", "two Pythons", "another option", "no checksum"],
)
def test_what_is_written_otherwise_is_left_as_it_is(command: str) -> None:
    assert in_one_start(command) == command
