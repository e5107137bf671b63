"""The program `comgov`."""

from comgov.cli import main

if __name__ == "__main__":
    main()
