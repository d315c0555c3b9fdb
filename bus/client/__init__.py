"""The NATS connection and JetStream protocol: requests, acknowledgements, consumers, messages."""
