"""The NATS connection and the JetStream protocol: requests, acknowledgements, consumers, messages."""
