"""Drills: simulated outages."""
