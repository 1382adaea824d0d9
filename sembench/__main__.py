"""`python -m sembench` is `sembench`."""

from sembench import main

main()
