"""docs/settings.md: every variable, with its default."""

import re
from pathlib import Path

from kairos.discovery import found_in
from kairos.settings import CHANNEL_OPTIONS, MAIL_SECRETS, Collector, Log, Settings, Upkeep
from tests.docs.pages import ROOT, cells, first_cells, page

PAGE = "docs/settings.md"
CHANNELS = {name: dict.fromkeys(options, "x") for name, options in CHANNEL_OPTIONS.items()}

MAIL = {name: dict.fromkeys(fields, "1") for name, fields in MAIL_SECRETS.items()}
FETCHED = {"certificate", "certificate_url"}  # not set by anybody


def test_every_secret_of_every_mail_provider_can_be_set() -> None:
    needed = {name: set(mail.NEEDS) - FETCHED for name, mail in found_in("collector.mail").items()}
    assert {name: set(fields) for name, fields in MAIL_SECRETS.items()} == needed
    assert (
        Settings.from_env(Settings(collector=Collector(mail=MAIL)).to_env()).collector.mail == MAIL
    )


def test_the_variables_described_are_those_that_are_read() -> None:
    full = Settings(
        collector=Collector(mail=MAIL, seal=Path("k"), identity_keys="k", hooks={"name": "s"}),
        public_url="https://id.shop.example",
        workspace=Path("w"),
        archive=Path("a"),
        upkeep=Upkeep(1, 1, 1),
        disk=Path("d"),
        status=Path("s"),
        channels=CHANNELS,
        rates={"email": 50},
        server_key="k",
    ).to_env()
    assert set(first_cells(page(PAGE))) == set(full)


def test_what_is_printed_of_settings_has_no_secret() -> None:
    secret = "swordfish"
    said = Settings(
        log=Log(f"valkey://:{secret}@127.0.0.1/log"),
        ledger=f"redis://:{secret}@127.0.0.1:6379/0",
        collector=Collector(
            mail={"sendgrid": {"public_key": secret}},
            identity_keys=secret,
            hooks={"shopify": secret},
        ),
        channels={"email": {"url": f"smtps://shop:{secret}@127.0.0.1", "dkim_key": secret}},
        server_key=secret,
    )
    shown = f"{said} {said!r} {said.log!r} {said.collector}"
    assert "email" in shown
    assert secret not in shown


def test_the_defaults_described_are_those_there_are() -> None:
    rows = {row[0]: row[2] for row in cells(page(PAGE)) if len(row) == 3}
    for name, default in Settings().to_env().items():
        assert rows[name] == default


def test_no_variable_is_read_beside_the_settings_without_a_word_here() -> None:
    folders = ("kairos", "events", "collector", "profile_state", "triggers", "channels", "flows")
    read = {
        name
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'"(KAIROS_[A-Z_]*[A-Z])"', path.read_text(encoding="utf-8"))
    }
    assert all(name in page(PAGE) for name in read)
