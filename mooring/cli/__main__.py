"""`python -m mooring.cli` is `mooring`."""

from mooring.cli.main import main

main()
