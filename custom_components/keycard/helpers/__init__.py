"""Timer and error isolation on top of the helpers of Home Assistant."""
