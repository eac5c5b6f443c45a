"""What a user can put right."""


class UserError(Exception):
    """Something a user can put right: a message, and if there are several problems one line for each."""

    def __init__(self, message: str, *problems: str) -> None:
        """`problems` are shown below the message, each on a line of its own."""
        super().__init__("\n".join([message, *(f"  - {problem}" for problem in problems)]))
