"""Runtime of a config entry: polling, commands and storage."""
