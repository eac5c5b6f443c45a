"""The checkout that terraflow works on: the stack, the images, the profile and the workflow lie in it."""

from pathlib import Path

from terraflow.errors import UserError

# Where this package lies: in a checkout if `make setup` installed it, else among installed packages.
PACKAGE = Path(__file__).resolve().parent
SOURCE = Path("packages/terraflow/src/terraflow")
# Together they are in no other folder.
PARTS = ("envs/Dockerfile", "profiles/aws/config.yaml", "terraform/versions.tf", "workflow/Snakefile")


def root() -> Path:
    """Return the checkout that this package lies in, wherever it is called; else the one around the working directory.

    Raise UserError, which says what is missing, when there is none.
    """
    if PACKAGE.parts[-len(SOURCE.parts) :] == SOURCE.parts:
        own = PACKAGE.parents[len(SOURCE.parts) - 1]
        if missing := _missing(own):
            raise UserError(f"{own} is not a whole checkout of TerraFlow Genomics: it lacks {', '.join(missing)}.")
        return own
    here = Path.cwd()
    found = {place: _missing(place) for place in (here, *here.parents)}
    for place, missing in found.items():
        if not missing:
            return place
    raise UserError(
        f"No checkout of TerraFlow Genomics at or above {here}, and this terraflow was not installed from one "
        f"({PACKAGE}). Change to a checkout, or use the .venv/bin/terraflow that `make setup` makes there.",
        *(f"{place} lacks {', '.join(missing)}" for place, missing in found.items() if len(missing) < len(PARTS)),
    )


def _missing(place: Path) -> list[str]:
    return [part for part in PARTS if not (place / part).is_file()]
