"""Credentials and keys of a config entry."""
