"""Page that draws a push notification as a phone shows it."""

from collections.abc import Mapping
from html import escape
from typing import Any

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<style>
  body {{
    margin: 0; height: 100vh; box-sizing: border-box; padding: 40px 12px;
    background: linear-gradient(160deg, #1d2b3a, #3c5468 60%, #6d7f86);
    font: 14px/1.4 Roboto, "DejaVu Sans", sans-serif; color: #1c1b1f;
  }}
  .time {{ color: #fff; text-align: center; font-size: 64px; font-weight: 300; }}
  .card {{
    margin-top: 32px; padding: 14px 16px; border-radius: 24px; background: #f4f1f6;
  }}
  .app {{ color: #5f5c66; font-size: 12px; }}
  .app b {{
    display: inline-block; width: 10px; height: 10px; margin-right: 8px;
    border-radius: 50%; background: {color};
  }}
  h1 {{ margin: 6px 0 2px; font-size: 15px; }}
  p {{ margin: 0; white-space: pre-line; }}
  .buttons {{ margin-top: 12px; color: #0b57d0; font-weight: 600; }}
  .buttons span {{ margin-right: 28px; }}
</style>
<div class="time">{time}</div>
<div class="card">
  <div class="app"><b></b>Home Assistant</div>
  <h1>{title}</h1>
  <p>{message}</p>
  <div class="buttons">{buttons}</div>
</div>
</html>
"""


def render_push(push: Mapping[str, Any], time: str) -> str:
    """Return the page of a push, as `mobile_app` sent it to a phone with Android."""
    data = push.get("data", {})
    titles = (escape(button["title"]) for button in data.get("actions", ()))
    return _PAGE.format(
        color=escape(data.get("color", "#03a9f4")),
        time=escape(time),
        title=escape(push.get("title", "")),
        message=escape(push["message"]),
        buttons="".join(f"<span>{title}</span>" for title in titles),
    )
