"""`python -m mooring.plugin ADDRESS`: serves every kind of `mooring.kinds` to the engine at that address."""

import sys
from typing import NoReturn

from mooring.kinds.every import every
from mooring.plugin.serve import engine_at, serve
from mooring.plugin.servicer import Servicer


def main() -> NoReturn:
    serve(Servicer(every(), engine_at(sys.argv[-1])))


if __name__ == "__main__":
    main()
