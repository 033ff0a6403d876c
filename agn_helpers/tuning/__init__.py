"""Splits, the search for the best kernel, scores, and the paper's tables beside ours."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
