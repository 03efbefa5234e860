"""HTTP servers of the simulated hosts, and the control API of the simulator.

`server` and `request` are independent of the served hosts; `router` passes requests to
the simulated clouds of `simulator.cloud`.
"""
