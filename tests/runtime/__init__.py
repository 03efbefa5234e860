"""Tests of the runtime of an entry."""
