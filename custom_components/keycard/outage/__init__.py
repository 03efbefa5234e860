"""The judge: whose fault a failure is, and whom it hits."""
