"""What one may configure about keys, certificates and time-stamps."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Keys, certificates, revocation lists, time-stamps."""

    passphrase_file: Path = Field(
        Path("keys/passphrase"),
        description="holds the passphrase that encrypts every private key; made at `comgov init` when it is missing. "
        "All nodes need the same file, and so does a restored backup",
    )
    pki_directory: Path = Field(
        Path("pki"), description="where root.pem, root+crls.pem and each revocation list are also written"
    )
    platform: str = Field(
        "COMGOV", min_length=1, max_length=40, description="the name in the root certificate; fixed at `comgov init`"
    )
    country: str = Field(
        "", pattern=r"^([A-Z]{2})?$", description="two letters for certificates, such as BI; fixed at `comgov init`"
    )
    pki_url: str = Field(
        "",
        pattern=r"^(https?://[!-~]+[^/])?$",
        max_length=200,
        description="where others fetch /pki/*.crl from, such as https://comgov.gov.bi/pki; written in certificates",
    )
