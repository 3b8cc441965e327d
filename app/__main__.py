"""`python -m app COMMAND`."""

from app.cli import main

main()
