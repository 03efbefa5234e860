"""A client and a car that others wrote, against the simulated car and Keycard.

They come from the package tesla-ble, which is under the AGPL: it runs in a process of
its own (peer.py), and only frames as they go over the air pass between.
"""
