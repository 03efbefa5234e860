"""Tests of the usage and budget."""
