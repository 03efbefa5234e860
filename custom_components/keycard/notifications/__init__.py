"""Outage notices and their texts."""
