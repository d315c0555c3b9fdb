"""Documents generated from the schemas: the bus as AsyncAPI, the messages of the live protocol."""
