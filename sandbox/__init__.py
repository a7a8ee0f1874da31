"""Simulators of the outside world, each its own process, sharing no code with what they test."""
