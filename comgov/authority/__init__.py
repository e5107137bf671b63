"""The authority: keys, certificates, seals, time-stamps, revocation lists. See README.md."""

from pathlib import Path

from comgov.authority.actions import (
    enrol_institution,
    establish,
    issue_tls,
    publish_crls,
    register_credential,
    revoke,
    seal,
    sealer,
    stamp,
    trust,
)
from comgov.authority.commands import authority
from comgov.authority.config import Config
from comgov.authority.jobs import jobs
from comgov.authority.model import Sealer, Tls
from comgov.authority.serving import ServerTls
from comgov.authority.web import routes
from comgov.feature import Feature

__all__ = [
    "Config",
    "Sealer",
    "ServerTls",
    "Tls",
    "enrol_institution",
    "establish",
    "feature",
    "issue_tls",
    "publish_crls",
    "register_credential",
    "revoke",
    "seal",
    "sealer",
    "stamp",
    "trust",
]

feature = Feature(name="authority", folder=Path(__file__).parent, routes=routes, commands=[authority], jobs=jobs)
