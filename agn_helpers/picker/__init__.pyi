from .ordering import FILTERS, ORDERS
from .pair import PickerPair
from .run_files import find_run
from .server import serve_page
from .widget import SpectrumPicker

__all__ = [
    "FILTERS",
    "ORDERS",
    "PickerPair",
    "SpectrumPicker",
    "find_run",
    "serve_page",
]
