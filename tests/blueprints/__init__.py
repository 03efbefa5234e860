"""Tests of the blueprints in real automations."""
