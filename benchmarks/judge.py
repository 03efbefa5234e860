"""Runs the measurement of the judge; exits non-zero if a bound is missed."""

from pathlib import Path
import sys

if __name__ == "__main__":
    # As a file or as a module: what it measures lies beside this folder.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.measure import main

    sys.exit(main())
