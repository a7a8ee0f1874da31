"""Simulate the outside world: each simulator is a process of its own and shares no code with what it tests."""
