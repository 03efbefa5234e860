"""Simulated vehicles."""
