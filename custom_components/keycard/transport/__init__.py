"""Transports to a vehicle: Tesla's cloud and Bluetooth."""
