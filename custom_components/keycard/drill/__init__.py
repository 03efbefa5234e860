"""Rehearsed outages."""
