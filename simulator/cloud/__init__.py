"""Simulated Tesla accounts, sign-in and Fleet API, and third-party services."""
