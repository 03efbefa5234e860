"""Try every fault with every provider; exit non-zero if an invariant does not hold."""

from pathlib import Path
import sys

if __name__ == "__main__":
    # The project's root must be in the path, run as a file or as a module.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.fault_table import main

    sys.exit(main())
