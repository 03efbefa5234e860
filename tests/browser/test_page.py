"""Clicks of the controlled page hit what they are meant for, whatever moves."""

import pytest

from harness.browser import Page

BUTTONS = """
window.clicked = [];
for (const text of ["Open", "Lock"]) {
  const button = document.createElement("button");
  button.textContent = text;
  button.addEventListener("click", () => clicked.push(text));
  document.body.append(button);
}
const [open, lock] = document.body.children;
"""
COVERED = """
const cover = document.createElement("div");
cover.style = "position: fixed; inset: 0";
document.body.append(cover);
setTimeout(() => cover.remove(), 300);
"""
SWAPPED_BEFORE_THE_PRESS = """
lock.addEventListener("pointerover", () => lock.after(open), {once: true});
"""
REPLACED_BY_THE_PRESS = """
lock.addEventListener("pointerdown", () => {
  const again = lock.cloneNode(true);
  again.addEventListener("click", () => clicked.push("Lock"));
  lock.replaceWith(again);
}, {once: true});
"""
COVERED_BY_ITS_BUTTON = """
lock.innerHTML = `<span>Lock</span><i style="position: absolute; inset: 0"></i>`;
lock.style = "position: relative";
"""
DISABLED = "lock.disabled = true; setTimeout(() => lock.disabled = false, 300);"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(COVERED, id="covered"),
        pytest.param(COVERED_BY_ITS_BUTTON, id="covered by its button"),
        pytest.param(SWAPPED_BEFORE_THE_PRESS, id="swapped before the press"),
        pytest.param(REPLACED_BY_THE_PRESS, id="replaced by the press"),
        pytest.param(DISABLED, id="disabled"),
    ],
)
async def test_click(page: Page, change: str) -> None:
    await page.evaluate(BUTTONS + change)
    await page.click("Lock")
    assert await page.evaluate("return clicked") == ["Lock"]
