"""All the kinds there are. A kind registers itself when its module is imported, and that is all it takes."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from mooring import kinds
from mooring.kinds.kind import REGISTERED, Handler


def every() -> Mapping[str, Handler[Any]]:
    """The handler of each kind, by its token."""
    for module in pkgutil.iter_modules(kinds.__path__):
        importlib.import_module(f"{kinds.__name__}.{module.name}")
    return REGISTERED
