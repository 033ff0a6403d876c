"""Errors that carry a remedy; the command line prints them in one line."""


class AgnError(ValueError):
    """A rule was broken: the message says the rule, the value, the file and what to do, in one line."""

    def __init__(self, message=""):
        # Values and names come from files, and may hold line ends.
        super().__init__(" ".join(str(message).splitlines()))


class SpectrumError(AgnError):
    """A file or a set of arrays is not a usable spectrum."""


class ReductionError(AgnError):
    """A spectrum cannot be brought onto the common rest-frame grid."""
