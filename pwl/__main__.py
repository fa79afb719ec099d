"""`python -m pwl` is `pwl`."""

import sys

from pwl.cli import main

sys.exit(main())
