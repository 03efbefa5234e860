"""Tests of vehicle/."""
