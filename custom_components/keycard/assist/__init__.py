"""Answers of Assist about the cloud and the key to take."""
