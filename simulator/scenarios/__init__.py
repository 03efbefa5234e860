"""Scenarios and conditions as data."""
