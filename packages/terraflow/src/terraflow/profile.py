"""Links Snakemake's profile for the stack to where Snakemake looks for profiles by name."""

from pathlib import Path

from snakemake.common import get_appdirs

NAME = "aws"


def link() -> Path:
    """Return the path where Snakemake looks for the profile from any working directory."""
    return Path(get_appdirs().user_config_dir) / NAME


def install(profile: Path) -> str | None:
    """Link the profile into the user's Snakemake configuration; return why another one was left there, if it was.

    A link to another checkout's profile is replaced: the stack that was deployed last is the one that is used.
    """
    place = link()
    if place.is_symlink() and place.resolve() == profile.resolve():
        return None
    if place.is_symlink() and (not place.exists() or place.resolve().parts[-2:] == profile.resolve().parts[-2:]):
        place.unlink()
    if place.is_symlink() or place.exists():
        return (
            f"{place} is a profile of your own, and stays. `snakemake --profile {NAME}` works in {profile.parents[1]}; "
            f"elsewhere write --profile {profile}"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(profile.resolve(), target_is_directory=True)
    return None


def remove(profile: Path) -> None:
    """Remove the link if it leads to this profile."""
    place = link()
    if place.is_symlink() and place.resolve() == profile.resolve():
        place.unlink()
