"""State, commands and polling of a vehicle, independent of Home Assistant."""
