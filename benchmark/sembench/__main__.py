"""`python -m sembench` is `sembench`."""

from sembench.cli.main import main

main()
