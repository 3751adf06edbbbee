"""`python -m electralab`, the same as `electralab`."""

from electralab.cli import entry

if __name__ == "__main__":
    entry()
