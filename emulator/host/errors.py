"""The one error of this package: its text is all that the command line shows."""


class HostError(Exception):
    """Says what is wrong, why it matters and how to fix it, naming the setting."""
