"""One car: its snapshot, its keys, its links. Nothing of Home Assistant is in here."""
