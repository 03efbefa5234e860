"""Simulated Fleet API, sign-in and third-party services."""
