"""Walk at random through the lives of homes; exit non-zero if an invariant breaks."""

from pathlib import Path
import sys

if __name__ == "__main__":
    # The project's root must be in the path, run as a file or as a module.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.walks import main

    sys.exit(main())
