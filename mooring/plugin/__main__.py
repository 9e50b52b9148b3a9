"""`python -m mooring.plugin ADDRESS`: serves every kind of `mooring.kinds` to the engine at that address."""

import importlib
import pkgutil
import sys
from typing import NoReturn

from mooring import kinds
from mooring.kinds.kind import REGISTERED
from mooring.plugin.serve import engine_at, serve
from mooring.plugin.servicer import Servicer


def main() -> NoReturn:
    # A kind registers itself when its module is imported, and that is all it takes to be served.
    for module in pkgutil.iter_modules(kinds.__path__):
        importlib.import_module(f"{kinds.__name__}.{module.name}")
    serve(Servicer(REGISTERED, engine_at(sys.argv[-1])))


if __name__ == "__main__":
    main()
