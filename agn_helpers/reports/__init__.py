"""The pages of a run: report, notebooks, explained spectra, an explorer in one file; no server."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
