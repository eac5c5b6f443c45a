"""Errors in the words of whoever has to do something about them."""


class OrderError(Exception):
    """What was asked for can't be done; another try would end the same way."""
