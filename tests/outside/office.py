"""The demo, lived in: mail has come, files and a dossier lie there, so that its pages show what they are for."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import json
import re
import smtplib
import ssl
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from playwright.sync_api import sync_playwright

from comgov.demo.government import PASSWORD
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from tests.outside.pages import ADMIN, ALINE, CLAIRE, GRACE, JEAN, PAUL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.outside import pages

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

_HTML = """<p>Madame,</p><p>Voici le <b>budget révisé</b> du programme de vaccination.</p>
<table><tr><th>Poste</th><th align="right">Montant</th></tr>
<tr><td>Chaîne du froid</td><td align="right">42 000 000</td></tr>
<tr><td>Formation</td><td align="right">8 500 000</td></tr></table>
<p>La version complète est sur <a href="https://finances.example.org/budget">le site du ministère</a>.</p>
<img src="https://finances.example.org/logo.png"><p>Cordialement,<br>Anna Ndayizeye</p>"""


@dataclass
class Office:
    """A running demo and a browser. known: where things lie there, by the names that `pages.Page.path` uses."""

    url: str
    browser: Browser
    relay_port: int
    imaps_port: int
    known: dict[str, str] = field(default_factory=dict)
    _states: dict[str, Any] = field(default_factory=dict)

    def open(self, person: str | None, **options: Any) -> BrowserContext:
        """A browser window of its own, signed in as that person (None: nobody). options: Playwright's."""
        options = {"locale": "fr-FR", "viewport": {"width": 1280, "height": 800}} | options
        if person is not None:
            options["storage_state"] = self._state(person)
        return self.browser.new_context(base_url=self.url, **options)

    @contextmanager
    def tab(self, person: str | None, **options: Any) -> Iterator[Page]:
        """The one tab of such a window, closed at the end."""
        context = self.open(person, **options)
        try:
            yield context.new_page()
        finally:
            context.close()

    def speak(self, person: str, language: str) -> None:
        """The language in which that person reads from now on."""
        with self.tab(person) as tab:
            tab.goto("/account")
            tab.locator(f'main button[name="language"][value="{language}"]').click()
            tab.wait_for_url("**/account")

    def path(self, page: pages.Page) -> str:
        """Where a page lies in this office."""
        return page.path.format(**self.known)

    def visit(self, page: pages.Page, tab: Page) -> int:
        """Go there, and do there what the page takes; the status that came in the end."""
        response = tab.goto(self.path(page))
        if page.deed is not None:
            with tab.expect_navigation(wait_until="load") as navigation:
                page.deed(tab)
            response = navigation.value
        assert response is not None
        return response.status

    def api(self, person: str, method: str, path: str, body: bytes | dict[str, Any] | None = None) -> bytes:
        """What the API answers to a program of that person's."""
        credentials = base64.b64encode(f"{person}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/octet-stream"}
        if isinstance(body, dict):
            headers["Content-Type"], body = "application/json", json.dumps(body).encode()
        request = Request(self.url + quote(path), data=body, headers=headers, method=method)  # ours
        with urlopen(request) as response:
            content: bytes = response.read()
        return content

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
            lived_in = Office(
                f"http://127.0.0.1:{process.ports.http}", browser, process.ports.relay, process.ports.imaps
            )
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
    _add_a_service(office)
    _receive_mail(office)
    _send_mail(office)
    _make_app_passwords(office)
    _keep_files(office)
    _send_dossiers(office)
    _find_what_is_empty(office)


def _add_a_service(office: Office) -> None:
    """The tree of institutions gets a second level."""
    with office.tab(ADMIN) as tab:
        tab.goto("/administration/institutions")
        tab.fill("#name_fr", "Hôpital régional de Ngozi")
        tab.fill("#code", "hopital-ngozi")
        tab.fill("#province", "Ngozi")
        tab.select_option("#kind", "service")
        tab.select_option("#parent", "sante")
        tab.click("#add button")
        tab.wait_for_selector(".notice.done")


def _message(sender: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, f"Claire Niyonzima <{CLAIRE}>", subject
    message.set_content(text)
    return message


_LETTERS = (
    (
        "Direction de la planification",
        "Réunion du comité de pilotage",
        "Le comité se réunit jeudi à 9 heures, salle B.",
    ),
    ("Exploitation du réseau", "Relevé des consommations d’internet", "Ci-joint le relevé d’octobre, par institution."),
    ("Béatrice Niyongabo", "Ordre de mission à Ngozi", "L’ordre de mission est signé ; départ lundi."),
    ("Service informatique", "Re: Inventaire du parc", "Il manque encore les postes du deuxième étage."),
)
_TEXT = "Bonjour,\n\nVoir https://example.org/ordre.\n\nBien à vous,\n"


def _receive_mail(office: Office) -> None:
    for number, (sender, subject, text) in enumerate(_LETTERS, 1):
        office.receive(_message(f"{sender} <service{number}@example.org>", subject, f"Bonjour,\n\n{text}\n"), CLAIRE)
    letter = _message("Anna Ndayizeye <anna@example.org>", "Budget révisé du programme de vaccination", _TEXT)
    letter.add_alternative(_HTML, subtype="html")
    pdf = b"%PDF-1.4 " + b"x" * 240_000
    letter.add_attachment(pdf, maintype="application", subtype="pdf", filename="Budget révisé 2027.pdf")
    office.receive(letter, CLAIRE)
    request = _message("Préfecture <prefecture@example.org>", "Demande d’audience", "Monsieur le Ministre,")
    office.receive(request, "secretariat@sante.gov.test")
    with office.tab(CLAIRE) as tab:
        tab.goto("/mail")
        office.known["inbox"] = path_of(tab)
        tab.get_by_text("Budget révisé du programme").first.click()
        tab.wait_for_selector("article.mail")
        office.known["letter"] = path_of(tab)
        office.known["letter-key"] = ":".join(path_of(tab).split("/")[-2:])
        tab.locator("nav.rail .rail-more a", has_text="Secrétariat").click()
        office.known["inbox-of-post"] = path_of(tab)


def _send_mail(office: Office) -> None:
    """One message sent, one that waits as a draft."""
    with office.tab(CLAIRE) as tab:
        tab.goto("/mail/write")
        tab.fill("#to", f"Éric Bigirimana <eric@finances.gov.test>, {GRACE}")
        tab.fill("#subject", "Compte rendu de la réunion du 12")
        tab.fill("#text", "Bonjour à tous deux,\n\nLe compte rendu est prêt.")
        tab.click("button[value=send]")
        tab.wait_for_url("**/mail/*")
        tab.locator("nav.rail .rail-more a", has_text="Envoyés").click()
        office.known["sent"] = path_of(tab)
        tab.get_by_text("Compte rendu de la réunion").first.click()
        tab.wait_for_selector("article.mail")
        office.known["letter-sent"] = path_of(tab)
        tab.goto("/mail/write")
        tab.fill("#to", "eric@finances.gov.test")
        tab.fill("#subject", "Crédits du quatrième trimestre")
        tab.fill("#text", "Bonjour Éric,\n\nPourriez-vous me confirmer la date ?")
        tab.set_input_files("#file", {"name": "note.txt", "mimeType": "text/plain", "buffer": b"note " * 3000})
        tab.wait_for_url("**/mail/drafts/*")
        office.known["draft"] = path_of(tab)


def _make_app_passwords(office: Office) -> None:
    """Two devices; one of them has read mail since."""
    with office.tab(CLAIRE) as tab:
        for device in ("Thunderbird au bureau", "Mon téléphone"):
            tab.goto("/account/app-passwords")
            tab.fill("#name", device)
            tab.fill("#password_current", PASSWORD)
            tab.click("#make button")
            tab.wait_for_selector(".notice.done")
            password = tab.locator("dd code").inner_text()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with imaplib.IMAP4_SSL("127.0.0.1", office.imaps_port, ssl_context=trusting) as session:
        session.login(CLAIRE, password)


def _keep_files(office: Office) -> None:
    """Through the form, without script, which must do as well; then what is quicker by the API."""
    with office.tab(CLAIRE, java_script_enabled=False) as tab:
        tab.goto("/files")
        office.known["folder"] = path_of(tab)
        for name, size in (("Plan de travail 2027.odt", 84_000), ("Rapport annuel.pdf", 1_300_000)):
            if not tab.locator("form[data-upload]").is_visible():
                tab.locator("details:has(form[data-upload]) > summary").click()
            tab.set_input_files("#files", {"name": name, "mimeType": "application/pdf", "buffer": b"a" * size})
            tab.locator("form[data-upload] button").click()
            tab.get_by_role("link", name=name).first.wait_for()
        office.api(CLAIRE, "PUT", "/api/files/me/Archives/", b"")
        office.api(CLAIRE, "PUT", "/api/files/me/Archives/Plan 2026.odt", b"plan")
        office.api(CLAIRE, "PUT", "/api/files/me/Brouillon.txt", b"brouillon")
        office.api(CLAIRE, "DELETE", "/api/files/me/Brouillon.txt")
        office.api(CLAIRE, "PUT", "/api/files/me/Rapport annuel.pdf", b"b" * 1_200_000)
        for key, wish in (("link", {"days": 7}), ("link-guarded", {"password": "la-clef-du-lien", "downloads_max": 5})):
            made = office.api(CLAIRE, "POST", "/api/files/links", {"path": "me/Rapport annuel.pdf", **wish})
            office.known[key] = "/l/" + json.loads(made)["url"].rpartition("/l/")[2]
        for key, name in (("file", "Rapport annuel.pdf"), ("folder-within", "Archives")):
            tab.goto(office.known["folder"])
            tab.locator("main table a", has_text=name).first.click()
            office.known[key] = path_of(tab)
        office.known["trash"] = _rail_link(tab, "/files/trash/")


def _send_dossiers(office: Office) -> None:
    """One sealed through the pages and received; one registered and acknowledged; one altered and refused."""
    registered = _seal(office, "Rapport trimestriel de surveillance")
    office.api(GRACE, "POST", f"/api/dossiers/{registered}/register")
    office.api(GRACE, "POST", f"/api/dossiers/{registered}/acknowledge")
    office.known["dossier-registered"] = f"/dossiers/{registered}"
    container = office.api(ALINE, "GET", f"/api/dossiers/{registered}/container")
    altered = container.replace(_PIECE, _PIECE.swapcase())
    with office.tab(GRACE) as tab:
        tab.goto("/dossiers/present")
        tab.set_input_files("#container", {"name": "copie.asice", "mimeType": "application/zip", "buffer": altered})
        tab.click("main form button")
        tab.wait_for_url("**/dossiers/reports/*")
        office.known["report"] = path_of(tab)
    with office.tab(ALINE) as tab:
        _draft_and_seal(office, tab)
        tab.locator(".timeline a").first.click()
        office.known["receipt"] = path_of(tab)
        _draft(tab, "Convention de partenariat avec la province")
        office.known["dossier-draft"] = path_of(tab)


_PIECE = b"%PDF-1.4 rapport"


def _seal(office: Office, designation: str) -> str:
    note = {"designation": designation, "recipients": ["finances"], "priority": "urgent"}
    message: str = json.loads(office.api(ALINE, "POST", "/api/dossiers", note))["message"]
    office.api(ALINE, "PUT", f"/api/dossiers/{message}/pieces/Rapport.pdf", _PIECE)
    office.api(ALINE, "POST", f"/api/dossiers/{message}/seal", {})
    for _ in range(100):
        arrivals = json.loads(office.api(GRACE, "GET", "/api/dossiers/arrivals"))["rows"]
        if any(row["message"] == message for row in arrivals):
            return message
        time.sleep(0.1)
    raise AssertionError("the dossier did not arrive within 10 s")


def _draft_and_seal(office: Office, tab: Page) -> None:
    _draft(tab, "Projet de décret portant organisation de la vaccination")
    tab.goto(path_of(tab) + "/seal")
    tab.locator("main form button.primary").last.click()
    tab.wait_for_url(re.compile(r"/dossiers/[0-9a-f-]{36}$"))
    office.known["dossier"] = path_of(tab)


def _draft(tab: Page, designation: str) -> None:
    tab.goto("/dossiers/new")
    tab.fill("#designation", designation)
    tab.check("#to-finances")
    tab.locator("#bordereau button").last.click()
    tab.wait_for_url("**/dossiers/drafts/*")
    tab.set_input_files(
        "#pieces input[type=file]", {"name": "Projet.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 projet"}
    )
    tab.locator("#pieces form[enctype] button").click()
    tab.get_by_role("link", name="Projet.pdf").wait_for()


def _find_what_is_empty(office: Office) -> None:
    with office.tab(PAUL) as tab:
        tab.goto("/mail")
        office.known["inbox-of-paul"] = path_of(tab)
        tab.goto("/files")
        office.known["folder-of-paul"] = path_of(tab)
        office.known["trash-of-paul"] = _rail_link(tab, "/files/trash/")
    with office.tab(JEAN) as tab:
        tab.goto("/files")
        tab.locator("nav.rail .rail-more a", has_text="Ministère").click()
        office.known["roles"] = _rail_link(tab, "/files/roles/")


def _rail_link(tab: Page, beginning: str) -> str:
    """The first link of the rail's own part that leads there."""
    return tab.locator(f"nav.rail .rail-more a[href^='{beginning}']").first.get_attribute("href") or ""


def path_of(tab: Page) -> str:
    """Where the tab is, without the server."""
    return "/" + tab.url.partition("#")[0].split("/", 3)[3]
