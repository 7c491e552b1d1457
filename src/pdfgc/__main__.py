"""`python -m pdfgc` is `pdfgc`."""

import sys

from pdfgc.cli import main

if __name__ == "__main__":
    sys.exit(main())
