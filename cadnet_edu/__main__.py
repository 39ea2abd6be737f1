"""``python -m cadnet_edu``: the same as ``cadnet-edu``."""

import sys

from cadnet_edu.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
