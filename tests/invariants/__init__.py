"""The laws of the design, held against a real Home Assistant."""
