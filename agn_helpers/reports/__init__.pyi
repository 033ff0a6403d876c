from .executed import render_notebook
from .explorer import write_explorer
from .objects import ObjectPage, describe_doubt, describe_verdict, write_gallery, write_object_pages
from .run_report import compare_runs, write_report
from .summary import KeyNumber, collect_numbers, format_numbers
from .words import clean_table

__all__ = [
    "KeyNumber",
    "ObjectPage",
    "clean_table",
    "collect_numbers",
    "compare_runs",
    "describe_doubt",
    "describe_verdict",
    "format_numbers",
    "render_notebook",
    "write_explorer",
    "write_gallery",
    "write_object_pages",
    "write_report",
]
