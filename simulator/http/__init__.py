"""HTTP servers of the simulated hosts, and the control API of the simulator.

`server` and `request` know nothing of what is served; `router` brings requests to the
simulated clouds of `simulator.cloud`.
"""
