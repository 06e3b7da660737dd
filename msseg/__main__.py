"""`python -m msseg` is the same as the command `msseg`."""

from msseg.cli.main import main

if __name__ == "__main__":
    main()
