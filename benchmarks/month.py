"""Plays a month of one car, and what Keycard and tesla_fleet ask of it.

Prints what both would be billed and how old their data are; exits non-zero if Keycard
is not the cheaper, or not the fresher while the car drives.
"""

from pathlib import Path
import sys

if __name__ == "__main__":
    # As a file or as a module: what it plays lies beside this folder.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.rivals import main

    sys.exit(main())
