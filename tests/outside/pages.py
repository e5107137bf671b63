"""Every page there is, said once: for the tests that look at each, and for the pictures of `python -m tests.shots`.

`test_pages.py` compares the list with the application's own routes: a page that is not in it fails there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.demo.government import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page as Tab

CLAIRE, ALINE, GRACE = "claire@sante.gov.test", "aline@sante.gov.test", "grace@finances.gov.test"
ADMIN, JEAN, PAUL = "admin@setic.gov.test", "jean@sante.gov.test", "paul@ngozi.gov.test"
EVERYONE = (CLAIRE, ALINE, GRACE, ADMIN, JEAN, PAUL)
"""Those who read the pages. Nothing was ever sent to Paul: he sees what is empty."""


@dataclass(frozen=True)
class Page:
    """A page as someone sees it.

    person: None for whoever is not signed in. route: the application's, which `path` must fit.
    path: its `{names}` are filled from what the office knows.
    deed: a form to send there first; `status` is that of the page which then comes.
    """

    name: str
    person: str | None
    route: str
    path: str
    deed: Callable[[Tab], None] | None = None
    status: int = 200


def _fill(button: str, **fields: str) -> Callable[[Tab], None]:
    """Fill in the form that the button belongs to, and send it. button: its selector; fields: by their ids."""

    def deed(tab: Tab) -> None:
        for around in tab.locator(f"details:not([open]):has({button}) > summary").all():
            around.click()
        for name, value in fields.items():
            tab.fill(f"#{name}", value)
        tab.locator(button).first.click()

    return deed


_ONE_WORD, _ANOTHER = "une-phrase-assez-longue", "une-autre-phrase-longue"

PAGES = (
    Page("home", CLAIRE, "/", "/"),
    Page("home-nothing-waits", PAUL, "/", "/"),
    Page("not-found", CLAIRE, "/", "/nowhere", status=404),
    Page("forbidden", CLAIRE, "/administration", "/administration", status=403),
    Page("sign-in", None, "/sign-in", "/sign-in"),
    Page(
        "sign-in-wrong",
        None,
        "/sign-in",
        "/sign-in",
        _fill("main form button", address="eric@finances.gov.test", password="nobody-knows-it"),
        401,
    ),
    Page("account", CLAIRE, "/account", "/account"),
    Page(
        "account-wrong",
        CLAIRE,
        "/account",
        "/account",
        _fill(
            "form[action='/account/password'] button",
            password_current=_ONE_WORD,
            password=_ONE_WORD,
            password_again=_ANOTHER,
        ),
        400,
    ),
    Page("app-passwords", CLAIRE, "/account/app-passwords", "/account/app-passwords"),
    Page("app-passwords-empty", PAUL, "/account/app-passwords", "/account/app-passwords"),
    Page(
        "app-passwords-wrong",
        PAUL,
        "/account/app-passwords",
        "/account/app-passwords",
        _fill("#make button", name="Téléphone", password_current=_ONE_WORD),
        400,
    ),
    Page(
        "app-password",
        ALINE,
        "/account/app-passwords",
        "/account/app-passwords",
        _fill("#make button", name="Thunderbird au bureau", password_current=PASSWORD),
    ),
    Page("directory", CLAIRE, "/directory", "/directory"),
    Page("directory-found", CLAIRE, "/directory", "/directory?q=sante"),
    Page("directory-nobody", CLAIRE, "/directory", "/directory?q=personne"),
    Page("institution", CLAIRE, "/directory/{code}", "/directory/sante"),
    Page("institution-empty", CLAIRE, "/directory/{code}", "/directory/sgg"),
    Page("inbox", CLAIRE, "/mail/{mailbox}", "{inbox}"),
    Page("inbox-unread", CLAIRE, "/mail/{mailbox}", "{inbox}?unread=1"),
    Page("inbox-found", CLAIRE, "/mail/{mailbox}", "{inbox}?q=mission"),
    Page("inbox-nothing-found", CLAIRE, "/mail/{mailbox}", "{inbox}?q=introuvable"),
    Page("inbox-empty", PAUL, "/mail/{mailbox}", "{inbox-of-paul}"),
    Page("inbox-of-post", CLAIRE, "/mail/{mailbox}", "{inbox-of-post}"),
    Page("sent", CLAIRE, "/mail/{mailbox}", "{sent}"),
    Page("message", CLAIRE, "/mail/{mailbox}/{uid}", "{letter}"),
    Page("message-as-text", CLAIRE, "/mail/{mailbox}/{uid}", "{letter}?text=1"),
    Page("message-sent", CLAIRE, "/mail/{mailbox}/{uid}", "{letter-sent}"),
    Page("write", CLAIRE, "/mail/write", "/mail/write"),
    Page("write-reply", CLAIRE, "/mail/write", "/mail/write?reply={letter-key}"),
    Page(
        "write-wrong",
        CLAIRE,
        "/mail/write",
        "/mail/write",
        _fill("button[value=send]", to="pas une adresse", subject="Budget", text="Bonjour,"),
        400,
    ),
    Page("draft", CLAIRE, "/mail/drafts/{draft}", "{draft}"),
    Page("drafts", CLAIRE, "/mail/drafts", "/mail/drafts"),
    Page("drafts-empty", PAUL, "/mail/drafts", "/mail/drafts"),
    Page("folder", CLAIRE, "/files/{node}", "{folder}"),
    Page("folder-found", CLAIRE, "/files/{node}", "{folder}?q=plan"),
    Page("folder-empty", PAUL, "/files/{node}", "{folder-of-paul}"),
    Page("folder-within", CLAIRE, "/files/{node}", "{folder-within}"),
    Page("folder-wrong", CLAIRE, "/files/{node}", "{folder}", _fill("form[action$='/folder'] button", name="a/b"), 400),
    Page("file", CLAIRE, "/files/{node}", "{file}"),
    Page("file-wrong", CLAIRE, "/files/{node}", "{file}", _fill("form[action$='/links'] button", days="0"), 400),
    Page("rename", CLAIRE, "/files/{node}/rename", "{file}/rename"),
    Page(
        "rename-wrong",
        CLAIRE,
        "/files/{node}/rename",
        "{file}/rename",
        _fill("form[action$='/rename'] button", name="a/b"),
        400,
    ),
    Page("move", CLAIRE, "/files/{node}/move", "{file}/move"),
    Page("versions", CLAIRE, "/files/{node}/versions", "{file}/versions"),
    Page("links", CLAIRE, "/files/links", "/files/links"),
    Page("links-empty", PAUL, "/files/links", "/files/links"),
    Page("trash", CLAIRE, "/files/trash/{space}", "{trash}"),
    Page("trash-empty", PAUL, "/files/trash/{space}", "{trash-of-paul}"),
    Page("roles", JEAN, "/files/roles/{space}", "{roles}"),
    Page("link", None, "/l/{token}", "{link}"),
    Page("link-wrong", None, "/l/{token}", "{link-guarded}", _fill("main form button", password="rien"), 403),
    Page("link-gone", None, "/l/{token}", "/l/AAAAAAAAAAAAAAAAAAAAAAAA", status=404),
    Page("arrivals", GRACE, "/dossiers", "/dossiers"),
    Page("arrivals-empty", PAUL, "/dossiers", "/dossiers"),
    Page("arrivals-nothing-found", GRACE, "/dossiers", "/dossiers?q=introuvable"),
    Page("departures", ALINE, "/dossiers/departures", "/dossiers/departures"),
    Page("departures-empty", PAUL, "/dossiers/departures", "/dossiers/departures"),
    Page("dossier-drafts", ALINE, "/dossiers/drafts", "/dossiers/drafts"),
    Page("dossier-drafts-empty", PAUL, "/dossiers/drafts", "/dossiers/drafts"),
    Page("dossier-new", CLAIRE, "/dossiers/new", "/dossiers/new"),
    Page(
        "dossier-new-wrong", CLAIRE, "/dossiers/new", "/dossiers/new", _fill("#bordereau button", designation=" "), 400
    ),
    Page("dossier-draft", ALINE, "/dossiers/drafts/{message}", "{dossier-draft}"),
    Page("seal", ALINE, "/dossiers/drafts/{message}/seal", "{dossier-draft}/seal"),
    Page("dossier", ALINE, "/dossiers/{message}", "{dossier}"),
    Page("dossier-received", GRACE, "/dossiers/{message}", "{dossier}"),
    Page("dossier-registered", GRACE, "/dossiers/{message}", "{dossier-registered}"),
    Page("register", GRACE, "/dossiers/register", "/dossiers/register?direction=A"),
    Page("register-empty", GRACE, "/dossiers/register", "/dossiers/register?direction=D"),
    Page("receipt", ALINE, "/dossiers/receipts/{digest}", "{receipt}"),
    Page("present", GRACE, "/dossiers/present", "/dossiers/present"),
    Page("present-wrong", GRACE, "/dossiers/present", "/dossiers/present", _fill("main form button"), 400),
    Page("report", GRACE, "/dossiers/reports/{report}", "{report}"),
    Page("usage", ADMIN, "/administration", "/administration"),
    Page("usage-of-one", JEAN, "/administration", "/administration"),
    Page("institutions", ADMIN, "/administration/institutions", "/administration/institutions"),
    Page(
        "institutions-wrong",
        ADMIN,
        "/administration/institutions",
        "/administration/institutions",
        _fill("#add button", name_fr="Agence routière", code="Routes !"),
        400,
    ),
    Page("people", ADMIN, "/administration/people", "/administration/people?institution=sante"),
    Page("people-nobody", ADMIN, "/administration/people", "/administration/people?institution=sante&q=introuvable"),
    Page(
        "people-wrong",
        JEAN,
        "/administration/people",
        "/administration/people",
        _fill("#add button", name="Zoé Hakizimana", local_part="zoé h"),
        400,
    ),
    Page(
        "new-password",
        ADMIN,
        "/administration/people",
        "/administration/people?institution=finances&q=eric",
        _fill("form[action='/administration/people/password'] button"),
    ),
)

NO_PAGES = {
    "/mail": "leads to the inbox",
    "/files": "leads to one's own space",
    "/administration/": "is /administration",
    "/static/{name}": "style, script and pictures",
    "/healthz": "JSON",
    "/readyz": "JSON",
    "/metrics": "Prometheus",
    "/pki/root.pem": "a certificate",
    "/pki/root+crls.pem": "certificates and revocation lists",
    "/pki/{name}.crl": "a revocation list",
    "/mail/{mailbox}/{uid}/raw": "a message as it came",
    "/mail/{mailbox}/{uid}/parts/{part}": "an attachment",
    "/files/{node}/download": "a file",
    "/l/{token}/file": "a file",
    "/dossiers/drafts/{message}/pieces/{piece}": "a file",
    "/dossiers/{message}/pieces/{position}": "a file",
    "/dossiers/{message}/container": "a container",
    "/dossiers/{message}/receipts.zip": "an archive",
    "/dossiers/receipts/{digest}.json": "a receipt",
    "/dossiers/receipts/{digest}.p7s": "a signature",
    "/dossiers/register/export": "an archive",
    "/administration/usage.{style}": "CSV or JSON",
}
"""What answers GET and is no page, and what it is instead; `/api/` is none as a whole."""
