"""Live a day at a hundred times the rate of everything; exit non-zero if any grows."""

from pathlib import Path
import sys

if __name__ == "__main__":
    # The project's root must be in the path, run as a file or as a module.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.churn_curve import main

    sys.exit(main())
