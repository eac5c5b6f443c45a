# The configuration and the sample sheet, checked before anything else happens.
from snakemake.utils import validate
from terraflow_workflow.calling.ploidy import (
    PloidyError,
    has_places_before_the_whole_genome,
    problems_of_ploidy,
    read_ploidy,
)
from terraflow_workflow.inputs.places import (
    OUTPUTS,
    problems_of_folders,
    problems_of_places,
)
from terraflow_workflow.inputs.samples import SheetError, problems_of_fastqs, read_sheet
from terraflow_workflow.inputs.settings import (
    SCHEMAS,
    Table,
    files_of,
    is_remote,
    problems_of_config,
    problems_of_files,
    problems_of_filters,
    problems_of_repeated_keys,
    tidy,
)
from terraflow_workflow.running.environment import forget_shell_settings
from terraflow_workflow.running.planning import collect_seldom

collect_seldom()

# Rules of a workflow that uses this one may need them.
if workflow.modifier.is_main_snakefile():
    forget_shell_settings(os.environ)


def stop(what, problems):
    """End the parsing of the workflow with a list of what the user has to put right."""
    if problems:
        raise WorkflowError(f"{what}, nothing was run:", *problems)


# A workflow that uses this one as a module can give its files a prefix, and gives it the configuration.
PATHS = workflow.modifier.path_modifier
MODULE = workflow.modifier.namespace
FOLDERS = [PATHS.replace_prefix(f"{folder}/") for folder in OUTPUTS]
CONFIG_FILES = [path for path in workflow.configfiles if not isinstance(path, Table)]
CONFIG_NAMES = ", ".join(
    [*([f"module {MODULE}"] if MODULE else []), *map(str, CONFIG_FILES)]
)
stop(
    f"Folders of module {MODULE} can't have their prefix", problems_of_folders(FOLDERS)
)
# The files of a workflow that uses this one as a module are its own; workers get them as the main process read them.
if workflow.is_main_process and not MODULE:
    stop(
        f"Problems in the configuration ({CONFIG_NAMES})",
        [
            problem
            for path in CONFIG_FILES
            for problem in problems_of_repeated_keys(Path(path).read_bytes(), str(path))
        ],
    )
tidy(config)
stop(
    f"Problems in the configuration ({CONFIG_NAMES or '--config'})",
    problems_of_config(config),
)
validate(config, str(SCHEMAS / "config.schema.yaml"))
try:
    units = read_sheet(config["samples"])
except SheetError as error:
    stop("Problems in the sample sheet (samples)", error.problems)
UNITS = {(unit.sample, unit.unit): unit for unit in units}
SAMPLES = {unit.sample: unit.sex for unit in units}
UNITS_OF = {sample: [] for sample in SAMPLES}
for unit in units:
    UNITS_OF[unit.sample].append(unit)
stop(
    f"Problems in the configuration ({CONFIG_NAMES or '--config'})",
    problems_of_filters(config, len(SAMPLES)),
)

PLOIDY_FILE = (
    config["calling"]["ploidy"]
    if isinstance(config["calling"]["ploidy"], str)
    else None
)
PLOIDY_RULES = []
if PLOIDY_FILE:
    try:
        PLOIDY_RULES = read_ploidy(PLOIDY_FILE)
        stop(
            "Problems in the ploidy file (calling.ploidy)",
            problems_of_ploidy(PLOIDY_FILE, PLOIDY_RULES, SAMPLES),
        )
    except PloidyError as error:
        stop("Problems in the ploidy file (calling.ploidy)", str(error).splitlines())

INPUTS = [
    *(("--configfile", str(path)) for path in CONFIG_FILES),
    ("samples", config["samples"]),
    *([("calling.ploidy", PLOIDY_FILE)] if PLOIDY_FILE else []),
    *((key, path) for key, path, _ in files_of(config)),
    *(
        (f"{config['samples']}, line {unit.line}", path)
        for unit in units
        for path in unit.fastqs
    ),
]

# A table that is read here travels to workers elsewhere as the configuration does, whether git tracks it or not.
workflow.configfiles.extend(
    Table(path) for path in [config["samples"], PLOIDY_FILE] if path
)

# A worker in another place gets its inputs from storage: only the main process sees the user's disk.
if workflow.is_main_process:
    stop(
        "Files lie where the workflow writes",
        problems_of_places(
            INPUTS,
            workflow.storage_settings.default_storage_prefix,
            FOLDERS,
        ),
    )
    stop(
        f"Files can't be read (relative paths start from {os.getcwd()})",
        problems_of_files(config, may_miss=bool(MODULE))
        + problems_of_fastqs(config["samples"], units, may_miss=bool(MODULE)),
    )
