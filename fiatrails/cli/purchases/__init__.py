"""What was bought and paid: intents, payments, and each provider."""
