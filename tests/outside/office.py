"""The demo, lived in: mail has come, files and a dossier lie there, so that its pages show what they are for."""

from __future__ import annotations

import asyncio
import re
import smtplib
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from comgov.demo.government import PASSWORD
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CLAIRE, ALINE, GRACE = "claire@sante.gov.test", "aline@sante.gov.test", "grace@finances.gov.test"
ADMIN, JEAN = "admin@setic.gov.test", "jean@sante.gov.test"

_HTML = """<p>Madame,</p><p>Voici le <b>budget révisé</b> du programme de vaccination.</p>
<table><tr><th>Poste</th><th align="right">Montant</th></tr>
<tr><td>Chaîne du froid</td><td align="right">42 000 000</td></tr>
<tr><td>Formation</td><td align="right">8 500 000</td></tr></table>
<p>La version complète est sur <a href="https://finances.example.org/budget">le site du ministère</a>.</p>
<img src="https://finances.example.org/logo.png"><p>Cordialement,<br>Anna Ndayizeye</p>"""


@dataclass
class Office:
    """A running demo and a browser. paths: where its pages lie, by a short name, and who reads them."""

    url: str
    browser: Browser
    relay_port: int
    paths: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    _states: dict[str, Any] = field(default_factory=dict)

    def open(self, person: str | None, **options: Any) -> BrowserContext:
        """A browser window of its own, signed in as that person (None: nobody). options: Playwright's."""
        options = {"locale": "fr-FR", "viewport": {"width": 1280, "height": 800}} | options
        if person is not None:
            options["storage_state"] = self._state(person)
        return self.browser.new_context(base_url=self.url, **options)

    def _state(self, person: str) -> Any:
        if person not in self._states:
            context = self.browser.new_context(base_url=self.url, locale="fr-FR")
            page = context.new_page()
            page.goto("/sign-in")
            page.fill("#address", person)
            page.fill("#password", PASSWORD)
            page.click("main form button")
            page.wait_for_url(f"{self.url}/")
            self._states[person] = context.storage_state()
            context.close()
        return self._states[person]

    def receive(self, message: EmailMessage, *recipients: str) -> None:
        """Mail from a server elsewhere."""
        with smtplib.SMTP("127.0.0.1", self.relay_port, local_hostname="mx.example.org") as session:
            session.send_message(message, "anna@example.org", recipients)


@contextmanager
def office() -> Iterator[Office]:
    """Start it, live in it for a day, give it."""
    with (
        tempfile.TemporaryDirectory(prefix="comgov-office-", ignore_cleanup_errors=True) as made,
        sync_playwright() as p,
    ):
        Path(made).chmod(0o755)
        process = DemoProcess(Path(made) / "demo", free_ports())
        asyncio_run(process.start())
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            lived_in = Office(f"http://127.0.0.1:{process.ports.http}", browser, process.ports.relay)
            _live(lived_in)
            yield lived_in
        finally:
            browser.close()
            process.stop()


def asyncio_run(work: Any) -> None:
    """Playwright's synchronous API runs a loop in this thread already: wait in another."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def _live(office: Office) -> None:
    _receive_mail(office)
    _write_mail(office)
    _keep_files(office)
    _send_dossier(office)
    office.paths |= {
        "sign-in": (None, "/sign-in"),
        "home": (CLAIRE, "/"),
        "account": (CLAIRE, "/account"),
        "write": (CLAIRE, "/mail/write"),
        "drafts": (CLAIRE, "/mail/drafts"),
        "not-found": (CLAIRE, "/nowhere"),
        "files": (CLAIRE, "/files"),
        "links": (CLAIRE, "/files/links"),
        "dossiers": (GRACE, "/dossiers"),
        "departures": (ALINE, "/dossiers/departures"),
        "dossier-drafts": (CLAIRE, "/dossiers/drafts"),
        "dossier-new": (CLAIRE, "/dossiers/new"),
        "register": (GRACE, "/dossiers/register?direction=arrival"),
        "present": (GRACE, "/dossiers/present"),
        "administration": (ADMIN, "/administration"),
    }


def _message(sender: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, CLAIRE, subject
    message.set_content(text)
    return message


_SUBJECTS = (
    "Réunion du comité de pilotage",
    "Relevé des consommations d’internet",
    "Ordre de mission à Ngozi",
    "Re: Inventaire du parc informatique",
)
_TEXT = "Bonjour,\n\nVoir https://example.org/ordre.\n\nBien à vous,\n"


def _receive_mail(office: Office) -> None:
    for number, subject in enumerate(_SUBJECTS, 1):
        office.receive(_message(f"Service {number} <service{number}@example.org>", subject, _TEXT), CLAIRE)
    letter = _message("Anna Ndayizeye <anna@example.org>", "Budget révisé du programme de vaccination", _TEXT)
    letter.add_alternative(_HTML, subtype="html")
    pdf = b"%PDF-1.4 " + b"x" * 240_000
    letter.add_attachment(pdf, maintype="application", subtype="pdf", filename="Budget révisé 2027.pdf")
    office.receive(letter, CLAIRE)
    request = _message("Préfecture <prefecture@example.org>", "Demande d’audience", "Monsieur le Ministre,")
    office.receive(request, "secretariat@sante.gov.test")
    context = office.open(CLAIRE)
    page = context.new_page()
    page.goto("/mail")
    office.paths["inbox"] = (CLAIRE, _path(page))
    office.paths["inbox-unread"] = (CLAIRE, f"{_path(page)}?unread=1")
    office.paths["search"] = (CLAIRE, f"{_path(page)}?q=mission")
    page.get_by_text("Budget révisé du programme").first.click()
    page.wait_for_selector("article.mail")
    office.paths["message"] = (CLAIRE, _path(page))
    context.close()


def _write_mail(office: Office) -> None:
    context = office.open(CLAIRE)
    page = context.new_page()
    page.goto("/mail/write")
    page.fill("#to", "eric@finances.gov.test")
    page.fill("#subject", "Crédits du quatrième trimestre")
    page.fill("#text", "Bonjour Éric,\n\nPourriez-vous me confirmer la date ?")
    page.set_input_files("#file", {"name": "note.txt", "mimeType": "text/plain", "buffer": b"note " * 3000})
    page.wait_for_url("**/mail/drafts/*")
    office.paths["draft"] = (CLAIRE, _path(page))
    context.close()


def _keep_files(office: Office) -> None:
    """Without script, which must do as well."""
    context = office.open(CLAIRE, java_script_enabled=False)
    page = context.new_page()
    page.goto("/files")
    for name, size in (("Plan de travail 2027.odt", 84_000), ("Rapport annuel.pdf", 1_300_000)):
        if not page.locator("form[data-upload]").is_visible():
            page.locator("details:has(form[data-upload]) > summary").click()
        page.set_input_files("#files", {"name": name, "mimeType": "application/pdf", "buffer": b"a" * size})
        page.locator("form[data-upload] button").click()
        page.get_by_role("link", name=name).first.wait_for()
    office.paths["folder"] = (CLAIRE, _path(page))
    page.get_by_role("link", name="Rapport annuel.pdf").first.click()
    office.paths["file"] = (CLAIRE, _path(page))
    context.close()


def _send_dossier(office: Office) -> None:
    context = office.open(ALINE)
    page = context.new_page()
    page.goto("/dossiers/new")
    page.fill("#designation", "Projet de décret portant organisation de la vaccination")
    page.check("#to-finances")
    page.locator("#bordereau button").last.click()
    page.wait_for_url("**/dossiers/drafts/*")
    page.set_input_files(
        "#pieces input[type=file]", {"name": "Projet.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 projet"}
    )
    page.locator("#pieces form[enctype] button").click()
    page.get_by_role("link", name="Projet.pdf").wait_for()
    office.paths["dossier-draft"] = (ALINE, _path(page))
    page.goto(_path(page) + "/seal")
    office.paths["seal"] = (ALINE, _path(page))
    page.locator("main form button.primary").last.click()
    page.wait_for_url(re.compile(r"/dossiers/[0-9a-f-]{36}$"))
    office.paths["dossier"] = (ALINE, _path(page))
    office.paths["dossier-received"] = (GRACE, _path(page))
    context.close()


def _path(page: Page) -> str:
    return "/" + page.url.partition("#")[0].split("/", 3)[3]
