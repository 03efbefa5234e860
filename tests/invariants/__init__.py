"""The invariants of docs/architecture.md, tested with a real Home Assistant."""
