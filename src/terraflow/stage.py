"""`terraflow stage`: brings what a sample sheet and a configuration name to the stack's bucket."""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from terraflow import readers, stack, staging
from terraflow.errors import UserError
from terraflow.staging import Item, Plan
from terraflow.upload import REQUESTS, State, Uploads

console = Console(highlight=False, soft_wrap=True, markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("sheet", metavar="SHEET", help="sample sheet whose FASTQ files lie on this disk")
    parser.add_argument(
        "--configfile",
        type=Path,
        default=readers.WORKFLOW_CONFIG,
        metavar="FILE",
        help="configuration that names the reference (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="sheet to write (default: SHEET with .s3.tsv, beside it)"
    )
    parser.add_argument(
        "--out-config",
        type=Path,
        default=Path("config/aws.yaml"),
        metavar="FILE",
        help="configuration to write (default: %(default)s)",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="send files also where the bucket holds another content under their name; its old version is kept for a "
        "while (old_versions_days)",
    )


def run(options: argparse.Namespace) -> int:
    """Checks as the workflow does, compares, sends, writes sheet and configuration."""
    deployed = stack.deployed()
    config, own = readers.read_config(options.configfile, options.sheet)
    units = readers.read_sheet(options.sheet)
    readers.refuse_unreadable(options.sheet, units, config)
    sheet = Path(options.sheet)
    text = sheet.read_text(encoding="utf-8-sig")
    out = options.out or _default_out(sheet)
    _refuse_outside(out, options.out_config, config["calling"]["ploidy"])
    if out.resolve() == sheet.resolve():
        raise UserError(f"{out} is the sheet that was given: name another file to write with --out.")
    if out.resolve() == options.out_config.resolve():
        raise UserError(f"{out} can't be both the sheet and the configuration: name two files to write.")
    for path in (out, options.out_config):
        staging.refuse_foreign(path)
    plan = staging.plan(units, config)

    retries = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=2 * REQUESTS)
    client = boto3.client("s3", region_name=deployed.region, config=retries)
    begun = time.monotonic()
    uploads = Uploads(client, deployed.bucket)
    console.print(f"Comparing {len(plan.items)} files with s3://{deployed.bucket}")
    states = uploads.compare(plan.items)
    if not options.replace:
        _refuse_other(states, deployed.bucket)
    sending = [item for item, state in states.items() if state is not State.SAME]
    _send(uploads, sending)

    if not sheet.exists() or sheet.read_text(encoding="utf-8-sig") != text:
        raise UserError(
            f"{sheet} has changed while files were sent, so no sheet was written. Run the command again: what has "
            "arrived is not sent twice."
        )
    staging.write(out, staging.rewritten_sheet(text, options.sheet, plan, deployed.bucket))
    if isinstance(ploidy := config["calling"]["ploidy"], str):
        own["calling"] = {**(own.get("calling") or {}), "ploidy": _from_here(Path(ploidy)).as_posix()}
    content = staging.rewritten_config(own, options.configfile, _from_here(out).as_posix(), plan, deployed.bucket)
    staging.write(options.out_config, content)
    passed = [item for item, state in states.items() if state is State.SAME]
    console.print(f"sent        {_sum(sending)}, in {time.monotonic() - begun:.0f} s, each compared with what S3 holds")
    console.print(f"passed over {_sum(passed)}, there already")
    for note in _notes(plan, deployed.bucket, config):
        console.print(f"Note: {note}")
    console.print(f"\nWritten are {out} and {options.out_config}. Next:")
    console.print(f"  snakemake --profile aws --configfile {options.out_config} --dry-run")
    console.print(f"  snakemake --profile aws --configfile {options.out_config}")
    return 0


def _default_out(sheet: Path) -> Path:
    """Beside the sheet, or in config/ where the sheet lies outside the working directory."""
    name = f"{sheet.name.removesuffix(sheet.suffix)}.s3.tsv"
    return sheet.with_name(name) if _inside(sheet) else readers.WORKFLOW_CONFIG.parent / name


def _inside(path: Path) -> bool:
    return Path.cwd() in _whole(path).parents


def _from_here(path: Path) -> Path:
    """Relative to the working directory, which lies elsewhere on a worker."""
    return _whole(path).relative_to(Path.cwd())


def _whole(path: Path) -> Path:
    return Path(path.absolute().parent.resolve(), path.name)


def _refuse_outside(out: Path, out_config: Path, ploidy: object) -> None:
    """Workers get what the workflow reads from below the working directory only."""
    named = [("--out", out), ("--out-config", out_config)]
    if isinstance(ploidy, str):
        named.append(("calling.ploidy", Path(ploidy)))
    problems = [
        f"{name}: {path}; copy or write it to config/, for example" for name, path in named if not _inside(path)
    ]
    if problems:
        raise UserError(f"These files have to lie below the working directory, {Path.cwd()}:", *problems)


def _refuse_other(states: dict[Item, State], bucket: str) -> None:
    problems = [
        f"{item.named}: {item.path} is not what s3://{bucket}/{item.key} holds, by size or checksum "
        "(or has no checksum that could be compared)"
        for item, state in states.items()
        if state is State.OTHER
    ]
    if problems:
        raise UserError(
            "The bucket holds other files under these names, nothing was sent. Choose other names of samples, units or "
            "files; or, if the new ones are right, --replace (the old versions are kept for a while):",
            *problems,
        )


def _send(uploads: Uploads, items: Sequence[Item]) -> None:
    """With a bar on a terminal, with a line for each file elsewhere."""
    if not items:
        return
    if not console.is_terminal:
        uploads.send(items, lambda _: None, lambda item: console.print(f"sent {item.path} to {item.key}"))
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
        task = progress.add_task(f"0 of {len(items)} files", total=sum(item.path.stat().st_size for item in items))
        whole = 0

        def done(_: Item) -> None:
            nonlocal whole
            whole += 1
            progress.update(task, description=f"{whole} of {len(items)} files")

        uploads.send(items, lambda number: progress.advance(task, number), done)


def _sum(items: Sequence[Item]) -> str:
    size = sum(item.path.stat().st_size for item in items)
    unit, name = next(((u, n) for u, n in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size >= u), (1, "bytes"))
    return f"{len(items)} file{'' if len(items) == 1 else 's'}, {size / unit:.{0 if unit == 1 else 1}f} {name}"


def _notes(plan: Plan, bucket: str, config: Mapping[str, Any]) -> list[str]:
    """What was left where it is, and what that means for jobs."""
    notes = []
    ploidy, alt = config["calling"]["ploidy"], Path(f"{config['reference']['fasta']}.alt")
    if config["reference"]["bwa_index"] == "prebuilt" and alt.exists():
        notes.append(
            f"{alt} stays here: BWA uses it on this machine, so that reads near alternate contigs align otherwise than "
            "on AWS."
        )
    elsewhere = [path for path in plan.remote if path.startswith("s3://") and not path.startswith(f"s3://{bucket}/")]
    web = [path for path in plan.remote if not path.startswith("s3://")]
    if elsewhere:
        notes.append(
            f"{len(elsewhere)} addresses in other buckets stay as they are, such as {elsewhere[0]}: jobs may read them "
            "only if input_buckets in terraform.tfvars names these buckets."
        )
    if web:
        notes.append(
            f"{len(web)} web addresses stay as they are, such as {web[0]}: jobs reach them only from a network with a "
            'way to the internet (network = "public").'
        )
    if isinstance(ploidy, str):
        notes.append(f"{ploidy} stays here and travels with each run, as the sheet does.")
    return notes
