"""`terraflow stage`: uploads the files that a sample sheet and a configuration name to the stack's bucket."""

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from terraflow import checkout, profile, readers, stack, staging
from terraflow.costs import model as models
from terraflow.costs.region import prices_for
from terraflow.errors import UserError
from terraflow.launch import capacity as capacities
from terraflow.launch import inbox_files, shared_index
from terraflow.launch.chosen import choose, of_inputs
from terraflow.launch.next_steps import next_commands
from terraflow.launch.proposal import Proposal, Site
from terraflow.staging import Item, Plan
from terraflow.upload import REQUESTS, State, Uploads

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from terraflow_workflow.inputs.samples import Unit

OUT_CONFIG = Path("config/aws.yaml")
console = Console(highlight=False, soft_wrap=True, markup=False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("sheet", metavar="SHEET", help="sample sheet whose FASTQ files lie on this disk")
    parser.add_argument(
        "--configfile",
        type=Path,
        metavar="FILE",
        help=f"configuration that names the reference (default: {readers.WORKFLOW_CONFIG})",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="working directory of the run, as with snakemake --directory: relative paths in sheet and configuration "
        "start there (default: this one, or the sheet's folder if the files lie only there)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="sheet to write (default: SHEET with .s3.tsv, beside it)"
    )
    parser.add_argument(
        "--out-config",
        type=Path,
        metavar="FILE",
        help=f"configuration to write (default: {OUT_CONFIG} in the working directory of the run)",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="send a file again where the bucket holds something else under its name, such as a damaged copy; the old "
        "version is kept for a while (old_versions_days)",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="also write the configuration to the bucket, as raw/NAME/config.yaml: uploading a sheet as "
        "raw/NAME/samples.tsv then starts run NAME, if the stack has an inbox (inbox_budget)",
    )
    parser.add_argument(
        "--run", action="store_true", help="write the sheet to raw/NAME/samples.tsv, too, and so start run NAME"
    )


def run(options: argparse.Namespace) -> int:
    """Check as the workflow does, compare, send, and write sheet and configuration."""
    deployed = stack.deployed()
    project = checkout.root()
    start = Path.cwd()
    directory = _working_directory(options.sheet, options.configfile, options.directory)
    if not directory.is_dir():
        raise UserError(
            f"--directory: found {directory}, which is no folder; expected the working directory of the run"
        )
    place = inbox_files.inbox(deployed, options.name, options.run)
    given = {name: vars(options)[name] for name in ("sheet", "configfile", "out", "out_config")}
    if directory.resolve() != start.resolve():
        console.print(f"Relative paths start from {directory}, the working directory of the run.")
        given = {name: path and os.path.relpath(path, directory) for name, path in given.items()}
    os.chdir(directory)
    try:
        out_config = _stage(deployed, replace=options.replace, place=place, **given)
    finally:
        os.chdir(start)
    if place and place.starts:
        console.print(f"\nRun {place.name} starts in a minute or two. Next:\n{next_commands(place.name)}")
    else:
        _say_next(project, directory, Path(os.path.relpath(directory / out_config)))
    return 0


def _stage(
    deployed: stack.Stack,
    sheet: str,
    configfile: str | None,
    out: str | None,
    out_config: str | None,
    replace: bool,
    place: inbox_files.Inbox | None,
) -> Path:
    """Do the work in the working directory of the run, and return the configuration that was written."""
    source = Path(configfile or readers.WORKFLOW_CONFIG)
    config, own = readers.read_config(source, sheet)
    units = readers.read_sheet(sheet)
    readers.refuse_filters(source, config, units)
    readers.refuse_unreadable(sheet, units, config)
    text = Path(sheet).read_text(encoding="utf-8-sig")
    to, to_config = Path(out or _default_out(Path(sheet))), Path(out_config or OUT_CONFIG)
    _refuse_outside(to, to_config, config["calling"]["ploidy"])
    if to.resolve() == Path(sheet).resolve():
        raise UserError(f"{to} is the sheet that was given: name another file to write with --out.")
    if to.resolve() == to_config.resolve():
        raise UserError(f"{to} can't be both the sheet and the configuration: name two files to write.")
    for path in (to, to_config):
        staging.refuse_foreign(path)

    retries = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=2 * REQUESTS)
    client = boto3.client("s3", region_name=deployed.region, config=retries)
    begun = time.monotonic()
    uploads = Uploads(client, deployed.bucket)
    files = readers.local_files(units, config)
    _with_bar("read", files, lambda progress, _: uploads.read(files, progress))
    earlier = readers.load(to_config) if to_config.exists() else None
    chosen = choose(own, config, earlier, lambda: _proposed(deployed, units, config, client))
    plan = staging.plan(units, config, uploads.digest)
    console.print(f"Comparing {len(plan.items)} files with s3://{deployed.bucket}")
    plan, states = _compared(uploads, plan)
    if not replace:
        _refuse_different(states, deployed.bucket)
    sending = [item for item, state in states.items() if state is not State.SAME]
    _send(uploads, sending)

    if not Path(sheet).exists() or Path(sheet).read_text(encoding="utf-8-sig") != text:
        raise UserError(
            f"{sheet} has changed while files were sent, so no sheet was written. Run the command again: what has "
            "arrived is not sent twice."
        )
    notes = [*chosen, *_notes(plan, deployed.bucket, config)]
    plan, taken = shared_index.take(client, deployed.bucket, plan, own, config, earlier)
    rewritten = staging.rewritten_sheet(text, sheet, plan, deployed.bucket)
    staging.write(to, rewritten)
    if isinstance(ploidy := config["calling"]["ploidy"], str):
        config["calling"]["ploidy"] = _from_here(Path(ploidy)).as_posix()
        own["calling"] = {**(own.get("calling") or {}), "ploidy": config["calling"]["ploidy"]}
    content = staging.rewritten_config(own, source, _from_here(to).as_posix(), plan, deployed.bucket)
    staging.write(to_config, content)
    passed = [item for item, state in states.items() if state is State.SAME]
    console.print(f"sent        {_sum(sending)}, in {time.monotonic() - begun:.0f} s, each compared with what S3 holds")
    console.print(f"passed over {_sum(passed)}, there already")
    for note in [*notes, *taken]:
        console.print(f"Note: {note}")
    for key in inbox_files.bring(client, place, rewritten, config, plan.settings) if place else ():
        console.print(f"wrote       s3://{deployed.bucket}/{key}")
    return to_config


def _proposed(
    deployed: stack.Stack, units: "Sequence[Unit]", config: Mapping[str, Any], client: "S3Client"
) -> Proposal | None:
    """Return the aligner and the number of shards that the sizes of the inputs suggest."""

    def size_of(bucket: str, key: str) -> int | None:
        try:
            return client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except (BotoCoreError, ClientError):
            return None

    prices, _ = prices_for(deployed.region, None, deployed.architecture)
    site = Site(models.load(), prices, deployed.architecture)
    found = of_inputs(units, config, site, size_of)
    if found is None or found.aligner == "bwa":
        return found
    # Only an index of bwa-mem2 may take more than an account has.
    return of_inputs(units, config, replace(site, vcpus=capacities.of_spot(deployed).vcpus), size_of)


def _compared(uploads: Uploads, plan: Plan) -> tuple[Plan, dict[Item, State]]:
    """Compare the plan's files with the bucket; a file that lies there under its earlier key keeps that key."""
    earlier = {item: replace(item, key=item.earlier_key) for item in plan.items}
    found = uploads.compare(list(earlier.values()))
    plan = staging.with_earlier_keys(plan, [item for item, old in earlier.items() if found[old] is State.SAME])
    known = {old.key: State.SAME for old, state in found.items() if state is State.SAME}
    states = {item: known[item.key] for item in plan.items if item.key in known}
    return plan, states | uploads.compare([item for item in plan.items if item not in states])


def _working_directory(sheet: str, configfile: Path | None, directory: Path | None) -> Path:
    """Return where relative paths start: the sheet's folder if files are missing here and none is missing there."""
    here, beside = Path(), Path(sheet).parent
    if directory is not None or not Path(sheet).is_file():
        return directory or here
    named = readers.relative_paths(Path(sheet), configfile)
    missing_here, missing_beside = ([path for path in named if not (at / path).exists()] for at in (here, beside))
    return beside if missing_here and not missing_beside else here


def _say_next(project: Path, directory: Path, config: Path) -> None:
    """Print the commands that run the workflow from this folder, whatever is on PATH."""
    program = _program("snakemake")
    here = Path(profile.NAME, "config.yaml").exists() or profile.link().exists()
    words = [program, "--profile", profile.NAME if here else _shown(project / "profiles" / profile.NAME)]
    if not Path("workflow", "Snakefile").exists():
        words += ["--snakefile", _shown(project / "workflow" / "Snakefile")]
    if directory.resolve() != Path.cwd():
        words += ["--directory", str(directory)]
    command = shlex.join([*words, "--configfile", str(config)])
    where = ["--directory", str(directory)] if directory.resolve() != Path.cwd() else []
    console.print(f"\nNext ({config} names what was written), in the cloud without this machine:")
    console.print(f"  {shlex.join([_program('terraflow'), 'run', str(config), *where])}")
    console.print("Or conducted from here:")
    console.print(f"  {command} --dry-run")
    console.print(f"  {command}")


def _program(name: str) -> str:
    """Return how one types a program of this environment here."""
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    return name if found and Path(found) == beside else _shown(beside)


def _shown(path: Path) -> str:
    """Return a path as one would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _default_out(sheet: Path) -> Path:
    """Return a path beside the sheet, or in config/ where the sheet lies outside the working directory."""
    name = f"{sheet.name.removesuffix(sheet.suffix)}.s3.tsv"
    return sheet.with_name(name) if _inside(sheet) else readers.WORKFLOW_CONFIG.parent / name


def _inside(path: Path) -> bool:
    return Path.cwd() in _whole(path).parents


def _from_here(path: Path) -> Path:
    """Return a path relative to the working directory, which lies elsewhere on a worker."""
    return _whole(path).relative_to(Path.cwd())


def _whole(path: Path) -> Path:
    return Path(path.absolute().parent.resolve(), path.name)


def _refuse_outside(out: Path, out_config: Path, ploidy: object) -> None:
    """Raise UserError for files outside the working directory: workers do not get them."""
    named = [("--out", out), ("--out-config", out_config)]
    if isinstance(ploidy, str):
        named.append(("calling.ploidy", Path(ploidy)))
    problems = [
        f"{name}: {path}; copy or write it to config/, for example" for name, path in named if not _inside(path)
    ]
    if problems:
        raise UserError(f"These files have to lie below the working directory, {Path.cwd()}:", *problems)


def _refuse_different(states: dict[Item, State], bucket: str) -> None:
    problems = [
        f"{item.source}: {item.path} is not what s3://{bucket}/{item.key} holds, by size or checksum "
        "(or has no checksum that could be compared)"
        for item, state in states.items()
        if state is State.DIFFERENT
    ]
    if problems:
        raise UserError(
            "The bucket holds something else under the names of these files, nothing was sent. A name says what its "
            "file contains, so what lies there is damaged, or somebody wrote over it: look at it, then send the files "
            "again with --replace (the old versions are kept for a while):",
            *problems,
        )


def _send(uploads: Uploads, items: Sequence[Item]) -> None:
    """Send files, and print a line for each where there is no terminal."""

    def send(progress: Callable[[int], None], file_done: Callable[[], None]) -> None:
        def done(item: Item) -> None:
            file_done()
            if not console.is_terminal:
                console.print(f"sent {item.path} to {item.key}")

        uploads.send(items, progress, done)

    _with_bar("sent", [item.path for item in items], send)


def _with_bar(
    verb: str, files: Sequence[Path], work: Callable[[Callable[[int], None], Callable[[], None]], None]
) -> None:
    """Show a bar on a terminal; `work` calls its first argument with numbers of bytes, its second for each file."""
    if not files:
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(
        TextColumn("{task.description}"), *columns, console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(f"{verb} {len(files)} files", total=sum(file.stat().st_size for file in files))
        whole = 0

        def done() -> None:
            nonlocal whole
            whole += 1
            progress.update(task, description=f"{verb} {whole} of {len(files)} files")

        work(lambda number: progress.advance(task, number), done)


def _sum(items: Sequence[Item]) -> str:
    size = sum(item.path.stat().st_size for item in items)
    unit, name = next(((u, n) for u, n in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size >= u), (1, "bytes"))
    return f"{len(items)} file{'' if len(items) == 1 else 's'}, {size / unit:.{0 if unit == 1 else 1}f} {name}"


def _notes(plan: Plan, bucket: str, config: Mapping[str, Any]) -> list[str]:
    """Return notes about files that are not uploaded, and what that means for jobs."""
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
