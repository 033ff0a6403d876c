from .server import serve_page
from .state import find_run
from .widget import SpectrumPicker

__all__ = [
    "SpectrumPicker",
    "find_run",
    "serve_page",
]
