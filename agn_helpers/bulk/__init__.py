"""Many spectra: partitions that are classified one by one or on Dask, written whole, and taken up again."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
