"""Tests of outage detection."""
