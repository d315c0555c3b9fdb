"""JetStream: streams, their messages, direct gets and the API."""
