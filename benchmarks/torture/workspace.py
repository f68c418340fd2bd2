"""The workspace of the torture: each way in which a message can come to be owed, and none other.

Everything is transactional and without quiet hours, so that what is owed does not hang on the time
of day. `books.py` says by rules of its own who is owed what.
"""

from pathlib import Path

WAIT_S = 3  # of the trigger that waits, so that timers are due while something is down

FILES = {
    "workspace.yaml": """\
workspace: torture
timezone: UTC
purposes:
  transactional: {default: allowed, caps: off, quiet_hours: off}
channels:
  email: {from: hello@shop.example}
identity:
  user_id: {max: 1}
  email: {max: 5, merge: true}
""",
    "triggers/welcome.yaml": """\
trigger: welcome
when: {event: signed_up}
reentry: once
do:
  - send: {channels: [email], template: welcome}
deliver: {purpose: transactional}
""",
    "triggers/order.yaml": """\
trigger: order
when: {event: order_completed}
reentry: always
do:
  - send: {channels: [webhook]}
deliver: {purpose: transactional}
""",
    "triggers/reminder.yaml": f"""\
trigger: reminder
when: {{event: cart_updated, then_no: order_completed, within: {WAIT_S}s}}
do:
  - send: {{channels: [email], template: reminder}}
deliver: {{purpose: transactional}}
""",
    "templates/welcome.email.liquid": """\
---
subject: welcome
purpose: transactional
---
<p>Hello.</p>
""",
    "templates/reminder.email.liquid": """\
---
subject: reminder
purpose: transactional
---
<p>Your cart waits.</p>
""",
}


def write(folder: Path) -> Path:
    """Write the workspace into a new folder, and return that."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def changed(folder: Path, nth: int) -> None:
    """Make another version of it, which decides as this one does."""
    path = folder / "triggers" / "welcome.yaml"
    text = FILES["triggers/welcome.yaml"]
    path.write_text(text.replace("when:", f"description: version {nth}\nwhen:"), encoding="utf-8")
