"""The command line of terraflow."""


def main() -> int:
    """Run the command that the arguments name."""
    return 0
