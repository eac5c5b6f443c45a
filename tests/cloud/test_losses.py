"""A run reports lost reads at its end, where results lie in S3."""

import subprocess
import sys
from pathlib import Path

from shared import ROOT
from strict_aws import Aws

TABLE = "results/qc/calling_reads.tsv"


def test_a_run_on_s3_warns_at_its_end(aws: Aws, tmp_path: Path) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="losses")
    for key, text in {
        "samtools/A.flags.tsv": "4\t0\t30\n99\t60\t70\n",
        "samtools/B.1.flags.tsv": "99\t60\t100\n",
        "coverage/A.deepest.txt": "9\n",
        "coverage/B.1.deepest.txt": "9\n",
    }.items():
        s3.put_object(Bucket="losses", Key=f"runs/main/results/qc/{key}", Body=text.encode())
    (tmp_path / "samples.tsv").write_text("sample\tunit\tfq1\tfq2\nA\t1\tr.fq\t\nB.1\t1\ts.fq\t\n")
    for name in ("r.fq", "s.fq"):
        (tmp_path / name).write_text("@r\nA\n+\nI\n")
    (tmp_path / "config.yaml").write_text("samples: samples.tsv\nreference: {fasta: ref.fa}\n")
    (tmp_path / "ref.fa").write_text(">c\nACGT\n")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(tmp_path)]
    command += ["--configfile", str(tmp_path / "config.yaml")]
    command += ["--default-storage-provider", "s3-inventory", "--default-storage-prefix", "s3://losses/runs/main"]
    command += ["--shared-fs-usage", "none", "--allowed-rules", "calling_reads", "--", TABLE]

    done = subprocess.run(command, cwd=ROOT, env=aws.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert done.returncode == 0, done.stdout
    warnings = [line for line in done.stdout.splitlines() if "WARNING" in line]
    assert warnings == [
        "WARNING: sample A: 30.0 % of the reads align nowhere; look for a wrong reference, adapters, contamination and "
        f"failed mates (FastQC) ({TABLE})"
    ]
    assert s3.get_object(Bucket="losses", Key=f"runs/main/{TABLE}")["Body"].read().startswith(b"sample\trecords\t")
