"""Parsed HTTP requests, as received by a host or made by a third party."""

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from urllib.parse import parse_qsl

from aiohttp import web

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class HostRequest:
    """An HTTP request; `body` is None if it is neither JSON nor a form."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = field(default_factory=dict)
    token: str = ""
    host: str = ""

    @property
    def form(self) -> dict[str, str]:
        """Return the string values of the body."""
        return {
            key: value
            for key, value in (self.body or {}).items()
            if isinstance(value, str)
        }


async def read_request(request: web.BaseRequest) -> HostRequest:
    """Parse an HTTP request."""
    return HostRequest(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        body=await _body(request),
        token=request.headers.get("Authorization", "").removeprefix("Bearer").strip(),
        host=request.host,
    )


async def _body(request: web.BaseRequest) -> dict[str, object] | None:
    text = await request.text()
    if request.method not in {"POST", "PATCH"} or not text:
        return {}
    if request.content_type == _FORM:
        return dict(parse_qsl(text, keep_blank_values=True))
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
