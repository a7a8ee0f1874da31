"""Simulate Safaricom's M-PESA (Daraja): its API, its customers, its money and its faults."""
