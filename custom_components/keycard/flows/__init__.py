"""Config and options flow steps of Keycard."""
