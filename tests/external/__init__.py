"""Tests of the vehicles of other integrations."""
