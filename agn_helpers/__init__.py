"""Which parts of a galaxy's spectrum made a classifier call it a type 1, type 2 or intermediate AGN?"""

from importlib import metadata

import lazy_loader

__version__ = metadata.version("agn-helpers")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
