"""Running the rail: start, check, repair, switch."""
