"""Compare a month of Keycard with Home Assistant's tesla_fleet integration.

Print the costs of both and the age of their data; exit non-zero if Keycard costs more,
or if its data are older while the car drives.
"""

from pathlib import Path
import sys

if __name__ == "__main__":
    # The project's root must be in the path, run as a file or as a module.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.month_comparison import main

    sys.exit(main())
