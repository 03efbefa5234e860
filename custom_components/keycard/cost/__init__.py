"""Usage, prices and budget of billed calls."""
