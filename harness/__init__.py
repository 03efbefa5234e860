"""Test harness: a movable clock, a simulated network and a real Home Assistant.

Keycard runs unchanged: the harness replaces the clock, name resolution and the
connections of its own process.
"""
