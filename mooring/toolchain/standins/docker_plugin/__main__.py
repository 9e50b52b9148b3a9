"""`python -m mooring.toolchain.standins.docker_plugin ADDRESS`: serves the engine at that address."""

import sys

from mooring.plugin.serve import engine_at, serve
from mooring.toolchain.standins.docker_plugin.servicer import Servicer

serve(Servicer(engine_at(sys.argv[-1])))
