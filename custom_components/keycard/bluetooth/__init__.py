"""Vehicles over Home Assistant's Bluetooth."""
