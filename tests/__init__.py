"""Tests of Keycard."""
