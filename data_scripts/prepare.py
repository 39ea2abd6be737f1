"""``cadnet-edu data prepare`` as a script: ``python data_scripts/prepare.py NAME ARCHIVE --out FOLDER``."""

import sys

from cadnet_edu.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["data", "prepare", *sys.argv[1:]]))
