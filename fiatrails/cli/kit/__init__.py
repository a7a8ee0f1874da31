"""What every command shares: output, errors, options, progress, the environment."""
