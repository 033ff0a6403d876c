"""Methods of an object that are functions of a package above it, found by name when they are called.

Imports lead downwards only.  An object that a higher package explains or draws has a method for it all the
same; this is the one place where such a call goes up.
"""

from importlib import import_module


def call_above(function, *arguments, **options):
    """Call a public function of another package.

    Parameters
    ----------
    function : str
        Package and name, e.g. ``"plotting.plot_observed"``.
    *arguments, **options
        Of the function.

    Returns
    -------
    Whatever the function returns.
    """
    package, name = function.split(".")
    return getattr(import_module(f".{package}", __package__), name)(*arguments, **options)
