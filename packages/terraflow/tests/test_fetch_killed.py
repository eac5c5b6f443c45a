"""A fetch that is killed in the middle, against a server: the next one brings the rest, and nothing twice."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from run_objects import STACK
from strict_aws import Aws
from terraflow import stack as stacks

BUCKET = "fetched"
NAMES = ("results/alignments/A.cram", "results/variants/all.vcf.gz")
BODY = os.urandom(4 << 20)
SECONDS = 240


def test_killed_in_the_middle_and_started_again(strict_aws: Aws, tmp_path: Path) -> None:
    s3 = strict_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for name in NAMES:
        s3.put_object(Bucket=BUCKET, Key=f"runs/cohort7/{name}", Body=BODY, ChecksumAlgorithm="CRC32")
    (tmp_path / "stack.json").write_text(json.dumps(vars(STACK) | {"bucket": BUCKET}))
    env = strict_aws.env | {stacks.FILE_VARIABLE: str(tmp_path / "stack.json")}
    command = [sys.executable, "-m", "terraflow.cli", "fetch", "cohort7", "here", "--json"]
    folder, cram = tmp_path / "here", {"service": "s3", "operation": "GetObject", "key": f"*{NAMES[0]}"}
    # The first answer about the CRAM is cut in its middle, and then S3 is busy until the process is killed.
    strict_aws.fault(call="error", times=1000, skip=1, **cram)
    strict_aws.fault(call="truncate", **cram)

    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + SECONDS
        while not ((folder / NAMES[1]).exists() and any(part.stat().st_size for part in folder.rglob("*.part"))):
            assert time.monotonic() < until and process.poll() is None, "the fetch did not come so far"
            time.sleep(0.1)
        process.kill()
    assert not (folder / NAMES[0]).exists()
    [part] = folder.rglob("*.part")
    there = part.stat().st_size
    assert part.read_bytes() == BODY[:there]

    strict_aws.forget_faults()
    strict_aws.requests(forget=True)
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert [one["path"] for one in json.loads(done.stdout)["fetched"]] == [NAMES[0]]
    assert all((folder / name).read_bytes() == BODY for name in NAMES)
    assert not list(folder.rglob("*.part"))
    sent = [
        one["sent"] for one in strict_aws.requests() if one["operation"] == "GetObject" and one["key"].endswith(NAMES)
    ]
    assert sum(sent) == len(BODY) - there
