"""The contracts of a deployment: where they stand, how they are called, what they answer."""
