"""Whether widgets can be shown where this runs, and which cells of a notebook show a picker."""

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


#: Pickers on pages, each with the notebook cell and the execution that made it: ipywidgets keeps every widget
#: until it is closed, also when its page is gone.
open_pickers: list[tuple] = []


def remember(picker):
    """Note which cell a picker is shown in."""
    open_pickers.append((running_cell(), picker))


def forget(picker):
    """A picker that is closed takes no more room."""
    open_pickers[:] = [entry for entry in open_pickers if entry[1] is not picker]


def close_former():
    """Close what an earlier run of this cell opened; its page is gone."""
    cell, run = running_cell()
    for (other_cell, other_run), picker in list(open_pickers):
        if cell is not None and other_cell == cell and other_run != run:
            picker.close()


def running_cell():
    """Identity of the notebook cell that is running, and of this run of it; (None, None) elsewhere."""
    shell = _find_shell()
    if not hasattr(shell, "get_parent"):
        return None, None
    parent = shell.get_parent()
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def _find_shell():
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
