"""The words that the runner and the server share: headers, variables, content types.

The headers and variables are those of protocol.ts. Content types are read as src/table/format.ts
and src/domain/payload.ts read them.
"""

import os

RUN_ID_HEADER = "claimcheck-run-id"
ATTEMPT_HEADER = "claimcheck-attempt"
DEADLINE_HEADER = "claimcheck-deadline"
METADATA_HEADER = "claimcheck-metadata"
ROWS_HEADER = "claimcheck-rows"
FAILURE_HEADER = "claimcheck-failure"
BUSY_HEADER = "claimcheck-busy"
SOCKET_VARIABLE = "CLAIMCHECK_SOCKET"
REPORTS_VARIABLE = "CLAIMCHECK_REPORTS"

CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/jsonlines", "json": "application/json"}
"""The content type that a table of each format is answered with."""

FORMATS = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/jsonlines": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-jsonl": "jsonl",
    "application/ndjson": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/json-lines": "jsonl",
    "application/json": "json",
}
"""The format of a table of each content type."""


def reports_descriptor():
    """Returns the descriptor that the server has opened for reports; None for none."""
    told = os.environ.get(REPORTS_VARIABLE)
    return None if told is None else int(told)


def media_type(content_type):
    """Returns a content type without its parameters, in lower case."""
    return content_type.split(";", 1)[0].strip().lower()


def table_format_of(content_type):
    """Returns "csv", "jsonl" or "json"; None for a content type that is no table."""
    return FORMATS.get(media_type(content_type))


def is_json(content_type):
    """Tells whether a content type is one JSON value."""
    media = media_type(content_type)
    return media == "application/json" or (
        media.startswith("application/") and media.endswith("+json")
    )
