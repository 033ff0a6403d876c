"""Catalogues of active galaxies and downloads of their spectra; the only network code."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
