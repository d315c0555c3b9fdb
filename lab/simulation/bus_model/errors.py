"""Errors of the JetStream API, with the codes and texts of the server, and of the model itself."""

from typing import NamedTuple


class NotModeledError(Exception):
    """A request for something that the model leaves out."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the model of the bus has no {what}")


class ApiError(NamedTuple):
    """The `error` in a reply."""

    code: int
    err_code: int
    description: str

    def with_text(self, **values: object) -> "ApiError":
        """Return the error with the placeholders in its text replaced."""
        return self._replace(description=self.description.format(**values))


class RequestFailedError(Exception):
    """Ends a request with an error reply."""

    def __init__(self, error: ApiError, *, is_counted: bool = True) -> None:
        super().__init__(error.description)
        self.error = error
        self.is_counted = is_counted
        """Whether the statistics of the API count it as an error."""


BAD_REQUEST = ApiError(400, 10003, "bad request")
INSUFFICIENT_RESOURCES = ApiError(503, 10023, "insufficient resources")
INVALID_JSON = ApiError(400, 10025, "invalid JSON: {err}")
MEMORY_EXCEEDED = ApiError(500, 10028, "insufficient memory resources available")
NO_MESSAGE_FOUND = ApiError(404, 10037, "no message found")
NOT_EMPTY_REQUEST = ApiError(400, 10038, "expected an empty request payload")
SEQUENCE_NOT_FOUND = ApiError(400, 10043, "sequence {seq} not found")
STORAGE_EXCEEDED = ApiError(500, 10047, "insufficient storage resources available")
INVALID_CONFIG = ApiError(500, 10052, "{err}")
MESSAGE_TOO_LARGE = ApiError(400, 10054, "message size exceeds maximum allowed")
NAME_MISMATCH = ApiError(400, 10056, "stream name in subject does not match request")
DELETE_FAILED = ApiError(500, 10057, "{err}")
NAME_IN_USE = ApiError(400, 10058, "stream name already in use with a different configuration")
NO_SUITABLE_PEERS = ApiError(400, 10005, "no suitable peers for placement")
STREAM_NOT_FOUND = ApiError(404, 10059, "stream not found")
WRONG_STREAM = ApiError(400, 10060, "expected stream does not match")
SUBJECTS_OVERLAP = ApiError(400, 10065, "subjects overlap with an existing stream")
WRONG_LAST_ID = ApiError(400, 10070, "wrong last msg ID: {id}")
WRONG_LAST_SEQUENCE = ApiError(400, 10071, "wrong last sequence: {seq}")
NO_REPLICAS = ApiError(500, 10074, "replicas > 1 not supported in non-clustered mode")
STORE_FAILED = ApiError(503, 10077, "{err}")
HEADERS_TOO_LARGE = ApiError(400, 10097, "header size exceeds maximum allowed of 64k")
SEALED = ApiError(400, 10109, "invalid operation on sealed stream")
PURGE_FAILED = ApiError(500, 10110, "{err}")
ROLLUP_FAILED = ApiError(500, 10111, "{err}")
SEPARATORS_IN_NAME = ApiError(400, 10128, "Stream name can not contain path separators")
NEGATIVE_REPLICAS = ApiError(400, 10133, "replicas count cannot be negative")
TTL_INVALID = ApiError(400, 10165, "invalid per-message TTL")
TTL_DISABLED = ApiError(400, 10166, "per-message TTL is disabled")
API_LEVEL = ApiError(412, 10185, "JetStream minimum api level required")
EXPECTED_SUBJECT_ALONE = ApiError(400, 10193, "missing sequence for expected last sequence per subject")
SOURCE_HEADER = ApiError(400, 10227, "message stream source header is not allowed")
NOT_AVAILABLE = ApiError(503, 10008, "JetStream system temporarily unavailable")
