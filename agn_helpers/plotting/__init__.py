"""One figure a function: each draws on one Axes, returns it, and neither shows nor saves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
