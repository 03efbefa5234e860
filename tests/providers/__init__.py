"""Tests of who speaks for the cars."""
