"""Pages from templates: everything that is filled in is escaped unless it is HTML of ours."""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("templates")


@cache
def _open_templates():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["style"] = read_part("style.css")
    return environment


def read_part(name):
    """A file of the templates as text."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def fill_page(template, **values):
    """Fill a template: all values are text, but those that it marks as safe, which are HTML of ours."""
    return _open_templates().get_template(template).render(**values)
