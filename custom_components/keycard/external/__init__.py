"""Vehicles of other Tesla integrations."""
