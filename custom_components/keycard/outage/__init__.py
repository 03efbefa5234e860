"""Detection of outages of Tesla's cloud."""
