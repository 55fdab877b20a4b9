"""What the simulated org refuses, in the shapes the REST API uses."""

from __future__ import annotations

from typing import Any


class LoadError(Exception):
    """Records that cannot be loaded; the text names object, record and field and says what to do."""


class ApiError(Exception):
    """A request the org refuses.

    Attributes:
        status: The HTTP status of the answer.
        code: Salesforce's `errorCode`.
        message: Text for people.
        fields: Names of the fields at fault; often empty.
    """

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    def body(self) -> list[dict[str, Any]]:
        """The answer's body: an array with one error, `fields` left out when there are none."""
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            error["fields"] = list(self.fields)
        return [error]

    def save_error(self) -> dict[str, Any]:
        """The same error inside a save result, where the code is called `statusCode`."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}


class SoqlError(ApiError):
    """A query the org refuses; always HTTP 400.

    Attributes:
        at: The name in the query that is at fault, when the parser's own place is not known.
    """

    def __init__(self, code: str, message: str, *, at: str | None = None) -> None:
        super().__init__(400, code, message)
        self.at = at


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """The answer for a path, object or record that is not there."""
    return ApiError(404, "NOT_FOUND", message)
