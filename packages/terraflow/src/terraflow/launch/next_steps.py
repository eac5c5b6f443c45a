"""The commands that one types after a run was started."""

import shlex


def next_commands(name: str) -> str:
    """Return the commands that look at a run, or end it."""
    rows = (
        ("status", "--watch", "what it does now"),
        ("logs", "--follow", "what its head says"),
        ("stop", "", "end it and all its jobs"),
    )
    lines = [(shlex.join(["terraflow", verb, name, *option.split()]), purpose) for verb, option, purpose in rows]
    width = max(len(command) for command, _ in lines)
    return "\n".join(f"  {command:<{width}}   {purpose}" for command, purpose in lines)
