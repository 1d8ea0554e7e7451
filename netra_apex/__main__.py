"""`python -m netra_apex` is the `apex` command."""

from netra_apex.cli import main

main()
