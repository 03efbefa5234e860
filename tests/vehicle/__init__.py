"""Tests of one car."""
