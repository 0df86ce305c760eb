"""`python -m cortexscope`."""

import sys

from cortexscope.cli import main

sys.exit(main())
