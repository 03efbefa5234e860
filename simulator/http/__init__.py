"""HTTP hosts of the simulated clouds."""
