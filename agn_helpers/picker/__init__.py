"""The spectrum picker, a widget for JupyterLab and a page of its own; the only ipywidgets import."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
