"""Home Assistant's frontend with Keycard in Chromium."""
