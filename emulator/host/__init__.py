"""Processes of the embedded Azure on this machine: start, watch, stop. See control.py."""
