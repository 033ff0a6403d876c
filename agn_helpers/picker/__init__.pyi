from .run_files import find_run
from .server import serve_page
from .widget import SpectrumPicker

__all__ = [
    "SpectrumPicker",
    "find_run",
    "serve_page",
]
