"""Timers and memory."""
