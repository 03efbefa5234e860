"""A stage for outage cases: a clock, a pretend internet and a real Home Assistant.

Nothing of it is known to the integration: the stage changes the clock, the name
look-up and the connections of its own process, and Keycard runs as it is shipped.
"""
