"""`python -m avkeras` is the command `avkeras`."""

from avkeras.cli import main

if __name__ == "__main__":
    main()
