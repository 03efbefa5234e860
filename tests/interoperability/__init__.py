"""Independent implementations of client and car, tested with simulator and Keycard.

They come from the package tesla-ble, which is under the AGPL: it runs in a separate
process (tesla_ble_process.py), and only frames are exchanged.
"""
