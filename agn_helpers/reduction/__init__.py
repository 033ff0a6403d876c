"""Observed spectra to the rest frame and onto the common grid: the reduced sample."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
