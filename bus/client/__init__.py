"""The NATS connection and the JetStream protocol: requests, acknowledgements, direct gets, messages."""
