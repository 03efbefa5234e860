"""Tests of the stage on which cases are replayed."""
