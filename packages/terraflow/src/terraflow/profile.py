"""Snakemake's profile for the stack, where Snakemake looks for profiles by name."""

from pathlib import Path

from snakemake.common import get_appdirs

NAME = "aws"


def link() -> Path:
    """Where Snakemake looks for the profile from any working directory."""
    return Path(get_appdirs().user_config_dir) / NAME


def install(profile: Path) -> str | None:
    """Links the profile into the user's Snakemake configuration; why it was left alone, if it was.

    A link to another checkout's profile is taken over: the stack that was deployed last is the one that is used.
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
    """Takes the link away again, if it is ours."""
    place = link()
    if place.is_symlink() and place.resolve() == profile.resolve():
        place.unlink()
