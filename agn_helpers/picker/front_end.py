"""Whether widgets can be shown where this runs, and in which cell of a notebook."""

import os
import sys


def front_end_listens():
    """True in a kernel of JupyterLab, Notebook, VS Code or Voilà; False under papermill and elsewhere."""
    if not hasattr(_find_shell(), "kernel"):
        return False
    served_by = os.environ.get("SERVER_SOFTWARE", "")
    return bool(
        os.environ.get("JPY_SESSION_NAME") or os.environ.get("VSCODE_PID") or served_by.startswith("voila")
    )


def running_cell():
    """Identity of the notebook cell that is running, and of this run of it; (None, None) elsewhere."""
    shell = _find_shell()
    if not hasattr(shell, "get_parent"):
        return None, None
    parent = shell.get_parent()
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def _find_shell():
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
