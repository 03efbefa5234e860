"""Benchmarks of Keycard."""
