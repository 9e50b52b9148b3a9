"""The plugin as the product has it, with the kind that does nothing beside its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("many_jobs")))

import nothing  # noqa: F401 -- it registers itself

from mooring.plugin.__main__ import main

main()
